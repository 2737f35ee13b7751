// Command worker is a component for the kill tests: its function mail turns the body {"id": "..."} into a mail with that id. It writes its
// process id to the file that its argument names.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/openintegrationhub/leat/component"
)

func main() {
	if err := os.WriteFile(os.Args[1], fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	component.Serve(map[string]component.Function{"mail": mail})
}

func mail(*component.Step) (component.Process, error) {
	return func(_ context.Context, in *component.Message, out component.Output) error {
		var body struct{ ID string }
		if err := in.DecodeBody(&body); err != nil {
			return err
		}
		return out.Emit(component.NewMessage(map[string]string{"to": "someone@example.com", "subject": "worked", "textBody": body.ID}))
	}, nil
}
