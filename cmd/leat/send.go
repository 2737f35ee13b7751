package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

type sendCommand struct {
	Flow string `arg:"" help:"Name of the flow."`
	Data string `short:"d" default:"{}" placeholder:"JSON|@FILE" help:"Body of the message: a JSON object, @FILE to read it from a file, @- from standard input."`
	URL  string `default:"http://localhost:8080" env:"LEAT_URL" help:"Where leat run listens."`
}

const (
	sendTimeout   = 30 * time.Second
	answerShown   = 64 << 10
	sendBodyBytes = 16 << 20
)

func (c *sendCommand) Run(ctx context.Context, std streams) error {
	body, err := c.body(std.in)
	if err != nil {
		return wrongInput{err}
	}
	ctx, cancel := context.WithTimeout(ctx, sendTimeout)
	defer cancel()
	address := strings.TrimRight(c.URL, "/") + "/flow/" + url.PathEscape(c.Flow)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, address, bytes.NewReader(body))
	if err != nil {
		return wrongInput{err}
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("send message: %w; does leat run, and listen there?", err)
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, answerShown))
	if err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode >= 400 {
		return fmt.Errorf("send message: %s: %s", response.Status, errorText(text))
	}
	fmt.Fprintf(std.out, "%s\n", bytes.TrimRight(text, "\n"))
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
	return string(answer)
}
