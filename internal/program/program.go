// Package program is what Leat's programs have in common: how a command line becomes a command, exit codes, the log for a person, the version,
// and the garbage collector's settings.
package program

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// Exit codes.
const (
	exitFailed = 1 // it could not be done
	exitWrong  = 2 // what the user gave is wrong: a flow file, a flag
)

// Streams are where a command reads and writes.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Program is a program and its commands.
type Program struct {
	Name        string
	Description string
	Commands    any       // a pointer to the struct of commands as kong wants it; their Run gets a context.Context and Streams
	Vars        kong.Vars // for the commands' help
}

// Main runs a command line, usually os.Args[1:], and ends the process. The first interrupt or SIGTERM ends the command's context, a second one the
// process.
func (p Program) Main(args []string) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop()
	}()
	os.Exit(p.Run(ctx, args, Streams{os.Stdin, os.Stdout, os.Stderr}))
}

// Run runs one command line and returns the exit code: 0, 1 for what could not be done, 2 for Wrong errors.
func (p Program) Run(ctx context.Context, args []string, std Streams) (code int) {
	exited := -1
	parser, err := kong.New(p.Commands,
		kong.Name(p.Name),
		kong.Description(p.Description),
		kong.UsageOnError(),
		kong.Writers(std.Out, std.Err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
		p.Vars,
	)
	if err != nil {
		panic(err) // the commands are described wrongly
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(std.Err, "%s: %v\nTry %s --help.\n", p.Name, err, p.Name)
		return exitWrong
	}
	err = command.Run()
	var wrong wrongInput
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(std.Err, err)
		return exitWrong
	default:
		fmt.Fprintf(std.Err, "%s: %v\n", p.Name, err)
		return exitFailed
	}
}

// wrongInput marks an error as the user's, not the program's: exit code 2.
type wrongInput struct{ error }

func (w wrongInput) Unwrap() error { return w.error }

// Wrong marks an error as the user's, not the program's: exit code 2.
func Wrong(err error) error { return wrongInput{err} }
