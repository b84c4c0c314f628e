//go:build !unix

package seal

import "io/fs"

func checkOwner(fs.FileInfo) error { return nil } // there is no owner that could be compared
