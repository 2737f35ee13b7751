// Command component-go is a component with one function, greet: it puts a greeting in front of the name in each message. docs/guide/components.md
// explains it line by line.
package main

import (
	"cmp"
	"context"
	"errors"

	"github.com/openintegrationhub/leat/component"
)

func main() {
	component.Serve(map[string]component.Function{"greet": greet})
}

// greet opens the step: it runs once, at the start.
func greet(step *component.Step) (component.Process, error) {
	var config struct{ Greeting string }
	if err := step.DecodeConfig(&config); err != nil {
		return nil, err
	}
	greeting := cmp.Or(config.Greeting, "Hello")
	step.Logger.Info("ready to greet", "greeting", greeting)

	// What it returns runs for each message.
	return func(ctx context.Context, in *component.Message, out component.Output) error {
		var body struct{ Name string }
		if err := in.DecodeBody(&body); err != nil {
			return err
		}
		if body.Name == "" {
			return errors.New("the message has no name")
		}
		return out.Emit(component.NewMessage(map[string]string{"text": greeting + ", " + body.Name + "!"}))
	}, nil
}
