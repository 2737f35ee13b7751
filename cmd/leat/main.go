// Command leat runs integration flows: on one machine with nothing else installed (leat run), and as the services of a cluster.
package main

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

type cli struct {
	Run       runCommand       `cmd:"" help:"Run flows on this machine."`
	Validate  validateCommand  `cmd:"" help:"Check flow files and report every mistake."`
	Render    renderCommand    `cmd:"" help:"Print what would run and exist for a flow."`
	Get       getCommand       `cmd:"" help:"Show what runs in a cluster."`
	Send      sendCommand      `cmd:"" help:"Send a message into a running flow."`
	Errors    errorsCommand    `cmd:"" help:"List what has failed."`
	Replay    replayCommand    `cmd:"" help:"Send the message of an error to its step again."`
	Discard   discardCommand   `cmd:"" help:"Give up the message of an error."`
	Component componentCommand `cmd:"" help:"Run a built-in component as a step, configured by ELASTICIO_* variables."`
	Broker    brokerCommand    `cmd:"" help:"Run the embedded AMQP broker by itself, for tests."`
	JSONata   jsonataCommand   `cmd:"" name:"jsonata" help:"Evaluate a JSONata expression on a JSON document."`
	Operator  operatorCommand  `cmd:"" help:"Service of a cluster: make of Flow resources what runs."`
	Scheduler schedulerCommand `cmd:"" help:"Service of a cluster: send ticks to polling flows."`
	Router    routerCommand    `cmd:"" help:"Service of a cluster: take HTTP requests for flows."`
	API       apiCommand       `cmd:"" name:"api" help:"Service of a cluster: what components and people ask for over HTTP."`
	Install   installCommand   `cmd:"" help:"Make the accounts of a new platform in Kubernetes. Its installation runs this, once." hidden:""`
	Version   versionCommand   `cmd:"" help:"Print the version."`
}

// streams are where a command reads and writes.
type streams struct {
	in       io.Reader
	out, err io.Writer
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	go func() {
		<-ctx.Done()
		stop() // a second signal ends the program at once
	}()
	os.Exit(run(ctx, os.Args[1:], streams{os.Stdin, os.Stdout, os.Stderr}))
}

// run runs one command line and returns the exit code.
func run(ctx context.Context, args []string, std streams) (code int) {
	var c cli
	exited := -1
	parser, err := kong.New(&c,
		kong.Name("leat"),
		kong.Description("Integration flows: graphs of components glued by messages. `leat run example/flow.json` shows one at work."),
		kong.UsageOnError(),
		kong.Writers(std.out, std.err),
		kong.Exit(func(code int) { exited = code }),
		kong.BindTo(ctx, (*context.Context)(nil)),
		kong.Bind(std),
		kong.Vars{"components": componentNames()},
	)
	if err != nil {
		panic(err) // the commands above are described wrongly
	}
	command, err := parser.Parse(args)
	if exited >= 0 { // --help
		return exited
	}
	if err != nil {
		fmt.Fprintf(std.err, "leat: %v\nTry leat --help.\n", err)
		return exitWrong
	}
	err = command.Run()
	var wrong wrongInput
	switch {
	case err == nil:
		return 0
	case errors.As(err, &wrong):
		fmt.Fprintln(std.err, wrong.error)
		return exitWrong
	default:
		fmt.Fprintf(std.err, "leat: %v\n", err)
		return exitFailed
	}
}

// wrongInput marks an error as the user's, not the program's: exit code 2.
type wrongInput struct{ error }

func (w wrongInput) Unwrap() error { return w.error }
