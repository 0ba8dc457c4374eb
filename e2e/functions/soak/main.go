// Command soak is the function of the soak in Go: it answers which request it
// got, and which code it is.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

type event struct {
	Do    string `json:"do"`
	Nonce string `json:"nonce"`
}

type answer struct {
	Nonce   string `json:"nonce"`
	Version int    `json:"version"`
}

func main() {
	text, err := os.ReadFile("version")
	if err != nil {
		log.Fatal(err)
	}
	version, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		log.Fatal(err)
	}
	lambda.Start(func(_ context.Context, e event) (answer, error) {
		fmt.Println("run", e.Nonce)
		if e.Do == "raise" {
			return answer{}, fmt.Errorf("%s %d", e.Nonce, version)
		}
		return answer{e.Nonce, version}, misbehave(e.Do)
	})
}

// misbehave does what a function should not.
func misbehave(do string) error {
	switch do {
	case "exit":
		os.Exit(3)
	case "kill":
		return syscall.Kill(os.Getpid(), syscall.SIGKILL)
	case "hang":
		time.Sleep(10 * time.Minute)
	case "grow":
		hog := make([]byte, 800<<20)
		for i := 0; i < len(hog); i += 4096 {
			hog[i] = 1
		}
	case "child":
		return exec.Command("sleep", "600").Start()
	case "daemon":
		return exec.Command("sh", "-c", "setsid sleep 600 >/dev/null 2>&1 </dev/null & exit 0").Run()
	}
	return nil
}
