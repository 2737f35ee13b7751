package runner

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"
)

// Info is what the platform API tells about a step (contract.md section 4).
type Info struct {
	ID            string            `json:"id"`
	Comp          string            `json:"comp_id"`
	Function      string            `json:"function"`
	Config        json.RawMessage   `json:"config"`
	Snapshot      json.RawMessage   `json:"snapshot"`
	IsPassthrough bool              `json:"is_passthrough"`
	Variables     map[string]string `json:"variables"`
}

const (
	infoTries    = 5
	infoTimeout  = 15 * time.Second // of one try
	infoBytesMax = 8 << 20
)

// fetchInfo asks the platform API for the step. It tries again while the API is away or answers 5xx, a few seconds in all; what the API
// refuses (4xx) is final.
func fetchInfo(ctx context.Context, client *http.Client, s Settings) (Info, error) {
	url := s.APIURI + "/v1/tasks/" + s.Flow + "/steps/" + s.Step // ids go in as they are, like all libraries do
	delay := 100 * time.Millisecond
	for try := 1; ; try++ {
		info, again, err := getInfo(ctx, client, s, url)
		if err == nil || !again || try == infoTries {
			return info, err
		}
		select {
		case <-time.After(delay):
			delay *= 2
		case <-ctx.Done():
			return Info{}, context.Cause(ctx)
		}
	}
}

func getInfo(ctx context.Context, client *http.Client, s Settings, url string) (info Info, again bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, infoTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return Info{}, false, fmt.Errorf("ask for step: %w", err)
	}
	request.SetBasicAuth(s.APIUsername, s.APIKey)
	response, err := client.Do(request)
	if err != nil {
		return Info{}, true, fmt.Errorf("ask for step: %w", err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, infoBytesMax+1))
	switch {
	case err != nil:
		return Info{}, true, fmt.Errorf("ask for step: %w", err)
	case response.StatusCode != http.StatusOK:
		return Info{}, response.StatusCode >= 500, fmt.Errorf("ask for step: GET %s: %s: %.200s", url, response.Status, body)
	case len(body) > infoBytesMax:
		return Info{}, false, errors.New("ask for step: the answer is larger than 8 MiB")
	}
	if err := json.Unmarshal(body, &info); err != nil {
		return Info{}, false, fmt.Errorf("ask for step: %w", err)
	}
	return info, false, nil
}
