// Command docs writes the pages that are made from the code:
//
//	go run ./tools/docs coverage >docs/coverage.md
//	go run ./tools/docs cli >docs/cli.md
package main

import (
	"fmt"
	"log"
	"os"

	"github.com/mayfly-faas/mayfly/internal/app"
	"github.com/mayfly-faas/mayfly/internal/cli"
)

func main() {
	if len(os.Args) != 2 {
		log.Fatal("usage: docs coverage|cli")
	}
	switch os.Args[1] {
	case "coverage":
		fmt.Print(app.Coverage())
	case "cli":
		if err := cli.Docs(os.Stdout); err != nil {
			log.Fatal(err)
		}
	default:
		log.Fatalf("no page %q", os.Args[1])
	}
}
