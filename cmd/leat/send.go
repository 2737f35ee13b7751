package main

import (
	"context"
	"encoding/json"
	"fmt"
	"github.com/openintegrationhub/leat/internal/program"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

type sendCommand struct {
	Flow string `arg:"" help:"Name of the flow."`
	Data string `short:"d" default:"{}" placeholder:"JSON|@FILE" help:"Body of the message: a JSON object, @FILE to read it from a file, @- from standard input."`
	server
}

const (
	answerBytes   = 64 << 20
	sendBodyBytes = 16 << 20
)

func (c *sendCommand) Run(ctx context.Context, std program.Streams) error {
	body, err := c.body(std.In)
	if err != nil {
		return program.Wrong(err)
	}
	namespace, err := c.scope()
	if err != nil {
		return err
	}
	name := c.Flow
	if namespace != "" && !strings.Contains(name, ".") { // else it names one itself
		name += "." + namespace
	}
	var answer json.RawMessage
	if err := c.call(ctx, routerPart, http.MethodPost, "/flow/"+url.PathEscape(name), body, &answer); err != nil {
		return fmt.Errorf("send message: %w", err)
	}
	fmt.Fprintf(std.Out, "%s\n", answer)
	return nil
}

// body returns what -d means.
func (c *sendCommand) body(in io.Reader) (body []byte, err error) {
	switch file, isFile := strings.CutPrefix(c.Data, "@"); {
	case !isFile:
		body = []byte(c.Data)
	case file == "-":
		body, err = io.ReadAll(io.LimitReader(in, sendBodyBytes))
	default:
		body, err = os.ReadFile(file)
	}
	if err != nil {
		return nil, fmt.Errorf("read message: %w", err)
	}
	if !json.Valid(body) {
		return nil, fmt.Errorf("message is not JSON: %.80s", body)
	}
	return body, nil
}

// errorText returns the member "error" of a JSON answer, or all of it.
func errorText(answer []byte) string {
	var a struct{ Error string }
	if json.Unmarshal(answer, &a) == nil && a.Error != "" {
		return a.Error
	}
	return fmt.Sprintf("%.300s", answer)
}
