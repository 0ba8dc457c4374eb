// Command answer is the function that is measured, in Go: it answers its event.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() {
	lines, _ := strconv.Atoi(os.Getenv("LINES")) // none: zero
	sleep, _ := strconv.ParseFloat(os.Getenv("SLEEP"), 64)
	lambda.Start(func(_ context.Context, event json.RawMessage) (json.RawMessage, error) {
		for i := range lines {
			fmt.Println("line", i, "of a function that says a lot")
		}
		time.Sleep(time.Duration(sleep * float64(time.Second)))
		return event, nil
	})
}
