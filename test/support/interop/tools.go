//go:build tools

// gRPC's own interoperability tests in Go, both sides, as the tests build them.
package tools

import (
	_ "google.golang.org/grpc/interop/client"
	_ "google.golang.org/grpc/interop/server"
)
