//go:build tools

// Which h2spec the tests build, and with what.
package tools

import _ "github.com/summerwind/h2spec/cmd/h2spec"
