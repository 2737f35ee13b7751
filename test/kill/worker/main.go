// Command worker is a component for the kill tests: its function mail turns the body {"id": "..."} into a mail with that id, and its function
// later does so at the second try. It writes its process id to the file that its argument names.
package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/openintegrationhub/leat/component"
)

func main() {
	if err := os.WriteFile(os.Args[1], fmt.Append(nil, os.Getpid()), 0o600); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	component.Serve(map[string]component.Function{"mail": mail, "later": later})
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

// later asks for each message again. It knows those that it has seen by the files in the folder SEEN.
func later(step *component.Step) (component.Process, error) {
	work, err := mail(step)
	if err != nil {
		return nil, err
	}
	return func(ctx context.Context, in *component.Message, out component.Output) error {
		var body struct{ ID string }
		if err := in.DecodeBody(&body); err != nil {
			return err
		}
		mark, err := os.OpenFile(filepath.Join(step.Getenv("SEEN"), body.ID), os.O_CREATE|os.O_EXCL, 0o600)
		if errors.Is(err, fs.ErrExist) {
			return work(ctx, in, out)
		}
		if err != nil {
			return err
		}
		return errors.Join(component.Rebound(errors.New("not yet")), mark.Close())
	}, nil
}
