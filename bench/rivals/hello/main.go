// Command hello is the bare start of a static Go program: the rival of a cold
// start in Go.
package main

import "os"

func main() { os.Stdout.WriteString("hello\n") }
