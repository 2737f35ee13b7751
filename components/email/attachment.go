package email

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/openintegrationhub/leat/component"
)

const fetchTimeout = 60 * time.Second

// attachmentOfBody is an entry of the body's attachments.
type attachmentOfBody struct {
	URL         string `json:"url"`
	Filename    string `json:"filename"`
	Name        string `json:"name"` // another word for filename
	ContentType string `json:"content-type"`
}

// attachments fetches those of the body, then those of the message by name. bytesMax bounds their sum.
func (s *sender) attachments(ctx context.Context, ofBody []attachmentOfBody, ofMessage json.RawMessage, bytesMax int) ([]file, error) {
	wanted := ofBody
	if len(ofMessage) > len("{}") {
		var byName map[string]attachmentOfBody
		if err := json.Unmarshal(ofMessage, &byName); err != nil {
			return nil, fmt.Errorf("decode attachments of the message: %w", err)
		}
		for _, name := range slices.Sorted(maps.Keys(byName)) {
			a := byName[name]
			a.Filename = name
			wanted = append(wanted, a)
		}
	}
	var files []file
	for _, a := range wanted {
		f, err := fetch(ctx, a, bytesMax)
		if err != nil {
			return nil, fmt.Errorf("attachment %q: %w", f.name, err)
		}
		bytesMax -= len(f.content)
		files = append(files, f)
	}
	return files, nil
}

// fetch gets one attachment. Even with an error the file has its name.
func fetch(ctx context.Context, a attachmentOfBody, bytesMax int) (file, error) {
	f := file{name: baseName(a.Filename, a.Name)}
	u, err := url.Parse(a.URL)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" {
		return f, errors.New("url: no http or https URL")
	}
	if f.name == "" {
		f.name = baseName(u.Path)
	}
	if f.name == "" {
		f.name = "attachment"
	}
	ctx, cancel := context.WithTimeout(ctx, fetchTimeout)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, a.URL, nil)
	if err != nil {
		return f, errors.New("url: no http or https URL")
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		if wrapped := (*url.Error)(nil); errors.As(err, &wrapped) {
			err = wrapped.Err // without the URL, which may be signed
		}
		return f, component.Rebound(fmt.Errorf("fetch it: %w", err))
	}
	defer res.Body.Close()
	switch status := res.StatusCode; {
	case status == http.StatusTooManyRequests || status >= 500:
		return f, component.Rebound(fmt.Errorf("fetch it: the answer is %s", res.Status))
	case status != http.StatusOK:
		return f, fmt.Errorf("fetch it: the answer is %s", res.Status)
	}
	f.content, err = io.ReadAll(io.LimitReader(res.Body, int64(bytesMax)+1))
	if err != nil {
		return f, component.Rebound(fmt.Errorf("fetch it: %w", err))
	}
	if len(f.content) > bytesMax {
		return f, errors.New("with it, the mail is larger than MAX_BODY_LENGTH")
	}
	f.contentType = contentType(a.ContentType, res.Header.Get("Content-Type"), mime.TypeByExtension(path.Ext(f.name)))
	return f, nil
}

// baseName returns the first name that is one, without folders.
func baseName(names ...string) string {
	for _, name := range names {
		name = oneLine(path.Base(strings.ReplaceAll(name, `\`, "/")))
		if name != "." && name != "/" && name != "" {
			return name
		}
	}
	return ""
}

// contentType returns the first of types that is one, without parameters.
func contentType(types ...string) string {
	for _, t := range types {
		if media, _, err := mime.ParseMediaType(t); err == nil && strings.Count(media, "/") == 1 {
			return media
		}
	}
	return "application/octet-stream"
}
