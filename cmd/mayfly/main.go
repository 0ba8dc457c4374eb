// Command mayfly is AWS Lambda on machines you own, in one binary.
package main

import (
	"os"

	"github.com/mayfly-faas/mayfly/internal/app"
	"github.com/mayfly-faas/mayfly/internal/cli"
)

// version is set by the linker.
var version = "dev"

func main() {
	os.Exit(cli.Main(os.Args[1:], version, app.Run))
}
