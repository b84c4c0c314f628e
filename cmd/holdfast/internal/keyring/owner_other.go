//go:build !unix

package keyring

import (
	"io/fs"
	"os"
)

func keepOwner(*os.File, fs.FileInfo) error { return nil }

func syncDir(string) error { return nil }
