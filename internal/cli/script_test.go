package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"mayfly": func() {
			os.Exit(Main(os.Args[1:], "v1.2.3", func(_ context.Context, o ServeOptions) error {
				if o.Region == "taken" {
					return fmt.Errorf("listen: %w", &net.OpError{Op: "listen", Net: "tcp", Err: syscall.EADDRINUSE})
				}
				_, err := fmt.Printf("serving %+v\n", o)
				return err
			}))
		},
	})
}

// TestScripts runs the command line as a person would, where no server is needed.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script",
		Setup: func(e *testscript.Env) error {
			e.Setenv("HOME", e.WorkDir+"/home")
			return nil
		},
	})
}
