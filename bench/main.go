// Command bench measures Mayfly in one run on one machine, each thing beside a
// rival that is measured in turn with it: cold starts beside the bare start of
// the interpreter, warm invocations beside a plain HTTP server in the same
// language, called by the same client with the same signed requests.
//
//	go run ./bench [-mayfly bin/mayfly] [-run cold,warm] [-quick] [-json bench/out/bench.json]
//	go run ./bench -render bench/out/bench.json   # docs/benchmarks.md
//
// It starts its own server on a folder of its own, with default settings, and
// prints a table; at the end it says which of the promised ratios hold. Figures
// are of this machine and this run; the ratios are what to compare.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	var o options
	flag.StringVar(&o.bin, "mayfly", "bin/mayfly", "the program to measure")
	flag.StringVar(&o.serve, "serve", "", "further flags for its server, separated by blanks")
	flag.StringVar(&o.run, "run", "", "scenarios, separated by commas: "+names()+" (default all)")
	flag.StringVar(&o.langs, "langs", "", "languages, separated by commas: python,node,go (default all)")
	flag.BoolVar(&o.quick, "quick", false, "fewer and shorter measurements: to see that it works")
	flag.StringVar(&o.json, "json", "bench/out/bench.json", "where the figures go")
	render := flag.String("render", "", "print the page of docs that a file of figures makes, and measure nothing")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	work := func() error { return o.measure(ctx) }
	if *render != "" {
		work = func() error { return renderFile(os.Stdout, *render) }
	}
	if err := work(); err != nil {
		log.Fatal(err)
	}
}

type options struct {
	bin, serve, run, langs, json string
	quick                        bool
}

// measure is the whole run. What was measured before an error is kept.
func (o options) measure(ctx context.Context) error {
	chosen, err := choose(o.run)
	if err != nil {
		return err
	}
	l, err := newLab(o)
	if err != nil {
		return err
	}
	defer l.close()
	fmt.Fprintf(l.out, "%s\n", l.report.Machine)
	for _, s := range chosen {
		fmt.Fprintf(l.out, "\n%s: %s\n", s.name, s.about)
		if e := s.run(ctx, l); e != nil { // the others may do
			fmt.Fprintf(l.out, "failed: %v\n", e)
			err = errors.Join(err, fmt.Errorf("%s: %w", s.name, e))
		}
		if ctx.Err() != nil {
			break
		}
	}
	l.report.Verdicts = verdicts(l.report)
	fmt.Fprintln(l.out)
	for _, v := range l.report.Verdicts {
		fmt.Fprintln(l.out, v)
	}
	return errors.Join(err, l.report.write(o.json))
}
