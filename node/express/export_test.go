package express

// EncodeID is the package uid-safe.
func EncodeID(random []byte) string { return encodeID(random) }

// InPath reports whether the middleware looks at a request.
func InPath(cookiePath, requestPath string) bool { return inPath(cookiePath, requestPath) }
