package email_test

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component"
)

const realKey = "a1B2c3D4e5F6g7H8i9J0kL"

// startMandrill starts an API that answers with status and answer, and returns its address and the calls that it got.
func startMandrill(t *testing.T, status int, answer string) (string, *[]string) {
	t.Helper()
	calls := new([]string)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		*calls = append(*calls, r.Method+" "+r.URL.Path+" "+string(body))
		w.WriteHeader(status)
		_, _ = io.WriteString(w, answer)
	}))
	t.Cleanup(server.Close)
	return server.URL + "/api/1.0", calls
}

func TestMandrillGetsTheWholeMail(t *testing.T) {
	files := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "abc") }))
	t.Cleanup(files.Close)
	address, calls := startMandrill(t, 200, `[{"email":"A@example.com","status":"sent","_id":"m1"},{"email":"b@example.com","status":"queued","_id":"m2"}]`)
	step := open(t, map[string]string{"MANDRILL_API_KEY": realKey, "MANDRILL_URL": address, "MANDRILL_FROM_NAME": "Robot", "LEAT_OUTBOX": t.TempDir()}, "")
	got := step.Process(t, message(`{"to":"Ann <a@example.com>","cc":"b@example.com","subject":"s","textBody":"t","htmlBody":"<p>h</p>",
		"attachments":[{"url":"`+files.URL+`/x","filename":"x.txt"}]}`))
	want := []map[string]any{
		{"To": "a@example.com", "RecipientType": "to", "Message": "OK", "MessageID": "m1", "SubmittedAt": "2026-11-22T16:01:02.1234560+00:00", "ErrorCode": 0.0},
		{"To": "b@example.com", "RecipientType": "cc", "Message": "QUEUED", "MessageID": "m2", "SubmittedAt": "2026-11-22T16:01:02.1234560+00:00", "ErrorCode": 0.0},
	}
	if diff := cmp.Diff(want, results(t, got)); diff != "" {
		t.Errorf("results: (-want +got)\n%s", diff)
	}
	if len(*calls) != 1 {
		t.Fatalf("got %d calls, want 1", len(*calls))
	}
	head, text, _ := strings.Cut((*calls)[0], " {")
	if head != "POST /api/1.0/messages/send.json" {
		t.Errorf("got %s", head)
	}
	var call any
	if err := json.Unmarshal([]byte("{"+text), &call); err != nil {
		t.Fatal(err)
	}
	wantCall := map[string]any{"key": realKey, "message": map[string]any{
		"from_email": "no-reply@elastic.io", "from_name": "Robot", "subject": "s", "text": "t", "html": "<p>h</p>", "preserve_recipients": true,
		"to": []any{
			map[string]any{"email": "a@example.com", "name": "Ann", "type": "to"},
			map[string]any{"email": "b@example.com", "type": "cc"},
		},
		"headers":     map[string]any{"Message-ID": "<" + messageID + ".step_2.example-flow@elastic.io>"},
		"attachments": []any{map[string]any{"type": "text/plain", "name": "x.txt", "content": "YWJj"}},
		"metadata":    map[string]any{"flow": "example-flow", "message": messageID},
	}}
	if diff := cmp.Diff(wantCall, call); diff != "" {
		t.Errorf("call: (-want +got)\n%s", diff)
	}
}

func TestMandrillFailures(t *testing.T) {
	for name, test := range map[string]struct {
		status  int
		answer  string
		rebound bool
		want    string
	}{
		"a wrong key is final, though it's a 500": {500, `{"status":"error","code":-1,"name":"Invalid_Key","message":"Invalid API key"}`, false, "Invalid_Key: Invalid API key"},
		"a fault over there comes back later":     {500, `{"status":"error","name":"GeneralError","message":"sorry"}`, true, "GeneralError: sorry"},
		"a proxy's 502 comes back later":          {502, `<html>`, true, "502 Bad Gateway"},
		"too many calls come back later":          {429, ``, true, "429"},
		"another address is final":                {404, `nothing here`, false, "404"},
		"an answer that is no list is final":      {200, `{}`, false, "decode answer"},
		"a rejected recipient is final":           {200, `[{"email":"a@example.com","status":"rejected","reject_reason":"hard-bounce","_id":"m"}]`, false, "a@example.com: rejected: hard-bounce"},
		"an invalid recipient is final":           {200, `[{"email":"a@example.com","status":"invalid","_id":"m"}]`, false, "a@example.com: invalid"},
	} {
		t.Run(name, func(t *testing.T) {
			address, _ := startMandrill(t, test.status, test.answer)
			step := open(t, map[string]string{"MANDRILL_API_KEY": realKey, "MANDRILL_URL": address}, "")
			got := step.Process(t, message(`{"to":"a@example.com","textBody":"x"}`))
			if got.Err == nil || !strings.Contains(got.Err.Error(), test.want) || strings.Contains(got.Err.Error(), realKey) {
				t.Fatalf("got %v; want an error with %q", got.Err, test.want)
			}
			if component.IsRebound(got.Err) != test.rebound {
				t.Errorf("got %v; comes back: %v, want %v", got.Err, !test.rebound, test.rebound)
			}
			if len(got.Messages) != 0 {
				t.Errorf("got %d messages, want none", len(got.Messages))
			}
		})
	}
}

func TestRefusalsAreResultsIfTheConfigSaysSo(t *testing.T) {
	address, _ := startMandrill(t, 200, `[{"email":"a@example.com","status":"sent","_id":"m1"},{"email":"b@example.com","status":"rejected","_id":"m2"}]`)
	step := open(t, map[string]string{"MANDRILL_API_KEY": realKey, "MANDRILL_URL": address}, `{"dontThrowErrorFlg":true}`)
	var got []any
	for _, r := range results(t, step.Process(t, message(`{"to":"a@example.com,b@example.com","textBody":"x"}`))) {
		got = append(got, r["Message"])
	}
	if diff := cmp.Diff([]any{"OK", "REJECTED"}, got); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
}
