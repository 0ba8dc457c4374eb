// Command plain is a bare HTTP server in Go that answers what it is sent: with
// net/http it is the rival of a warm invocation in Go; raw, it is the least that
// any server does, beside which the load generator's own cost is measured.
package main

import (
	"bufio"
	"bytes"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"strconv"
)

func main() {
	if len(os.Args) != 3 {
		log.Fatal("usage: plain http|raw PORT")
	}
	addr := "127.0.0.1:" + os.Args[2]
	if os.Args[1] == "raw" {
		log.Fatal(raw(addr))
	}
	log.Fatal(http.ListenAndServe(addr, http.HandlerFunc(echo)))
}

func echo(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	w.Header().Set("Content-Length", strconv.Itoa(len(body)))
	w.Write(body)
}

// raw reads heads for their length alone.
func raw(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	for {
		c, err := l.Accept()
		if err != nil {
			return err
		}
		go serve(c)
	}
}

func serve(c net.Conn) {
	defer c.Close()
	in, out := bufio.NewReaderSize(c, 64<<10), []byte(nil)
	for {
		length := 0
		for {
			line, err := in.ReadSlice('\n')
			if err != nil {
				return
			}
			if len(line) <= 2 {
				break
			}
			if name := []byte("Content-Length: "); bytes.HasPrefix(line, name) {
				length, _ = strconv.Atoi(string(bytes.TrimSpace(line[len(name):])))
			}
		}
		out = append(out[:0], "HTTP/1.1 200 OK\r\nContent-Length: "...)
		out = strconv.AppendInt(out, int64(length), 10)
		out = append(out, "\r\n\r\n"...)
		head := len(out)
		out = append(out, make([]byte, length)...)
		if _, err := io.ReadFull(in, out[head:]); err != nil {
			return
		}
		if _, err := c.Write(out); err != nil {
			return
		}
	}
}
