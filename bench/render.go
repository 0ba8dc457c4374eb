package main

import "io"

func renderFile(w io.Writer, path string) error { return nil }
