package email_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/email"
)

func TestBodiesThatMakeNoMail(t *testing.T) {
	folder := t.TempDir()
	step := open(t, map[string]string{"LEAT_OUTBOX": folder, "MAX_BODY_LENGTH": "100"}, `{"dontThrowErrorFlg":true}`)
	for body, want := range map[string]string{
		`{"textBody":"x"}`:                                                     "to: missing",
		`{"to":" , ","textBody":"x"}`:                                          `to: missing`,
		`{"to":"a@example.com"}`:                                               "textBody: missing",
		`{"to":"a@example.com, bob","textBody":"x"}`:                           `to: "bob" is no mail address`,
		`{"to":"a@example.com","cc":"@x","textBody":"x"}`:                      `cc: "@x" is no mail address`,
		`{"to":"a@example.com\r\nBcc: e@x.y","textBody":"x"}`:                  `to: "a@example.com\r\nBcc: e@x.y" is no mail address`,
		`{"to":["a@example.com"],"textBody":"x"}`:                              `is no mail address`,
		`{"to":5,"textBody":"x"}`:                                              `to: "5" is no mail address`,
		`{"to":"x","cc":"y"}`:                                                  "to: \"x\" is no mail address\ncc: \"y\" is no mail address\ntextBody: missing",
		`{"to":"a@example.com","textBody":"` + strings.Repeat("x", 101) + `"}`: "101 bytes, more than the 100 of MAX_BODY_LENGTH",
		`{"to":"a@example.com","textBody":"x","attachments":[{"url":"file:///etc/passwd","filename":"p"}]}`: `attachment "p": url: no http or https URL`,
		`{"to":"a@example.com","textBody":"x","attachments":{}}`:                                            "decode body",
		`[]`: "decode body",
	} {
		got := step.Process(t, message(body))
		if got.Err == nil || !strings.Contains(got.Err.Error(), want) || component.IsRebound(got.Err) {
			t.Errorf("%s: got %v; want a final error with %q", body, got.Err, want)
		}
	}
	if names, _ := files(t, folder); len(names) != 0 {
		t.Errorf("the outbox has %q, want nothing", names)
	}
}

func TestNoValueBecomesAnotherHeader(t *testing.T) {
	folder := t.TempDir()
	step := open(t, map[string]string{"LEAT_OUTBOX": folder, "MANDRILL_FROM_NAME": "R\r\nX-Evil: 1"}, "")
	results(t, step.Process(t, message(`{"to":"=?utf-8?q?a=0d=0aX-Evil=3a_1?= <a@example.com>","subject":"s\r\nX-Evil: 1\u2028\u0000\r\n\r\nbody","textBody":"x"}`)))
	_, contents := files(t, folder)
	m := parse(t, contents[0])
	if got := m.header.Get("X-Evil"); got != "" || m.text != "x" {
		t.Errorf("X-Evil: got %q; text: got %q\n%s", got, m.text, contents[0])
	}
	if got, want := m.header.Get("Subject"), "s  X-Evil: 1      body"; got != want {
		t.Errorf("subject: got %q, want %q", got, want)
	}
}

func TestValuesThatAreNoStringsAreWrittenAsJSON(t *testing.T) {
	folder := t.TempDir()
	step := open(t, map[string]string{"LEAT_OUTBOX": folder}, "")
	results(t, step.Process(t, message(`{"to":"a@example.com","cc":null,"subject":5,"textBody":{"a": [1, true]},"htmlBody":null}`)))
	_, contents := files(t, folder)
	m := parse(t, contents[0])
	if m.header.Get("Subject") != "5" || m.text != `{"a":[1,true]}` || m.html != "" {
		t.Errorf("got subject %q, text %q, html %q", m.header.Get("Subject"), m.text, m.html)
	}
}

func TestAttachmentsOfBodyAndMessage(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "text/csv; charset=utf-8")
		_, _ = io.WriteString(w, "content of "+r.URL.Path)
	}))
	t.Cleanup(server.Close)
	folder := t.TempDir()
	step := open(t, map[string]string{"LEAT_OUTBOX": folder}, "")
	in := message(`{"to":"a@example.com","textBody":"x","htmlBody":"<b>x</b>","attachments":[
		{"url":"` + server.URL + `/1","filename":"ä \"1\".csv"}, {"url":"` + server.URL + `/folder/2.csv"}, {"url":"` + server.URL + `/3","filename":"../../3\r\n"}]}`)
	in.Attachments = []byte(`{"4.pdf":{"url":"` + server.URL + `/4","content-type":"application/pdf; x=\"\r\n\"","size":5}}`)
	results(t, step.Process(t, in))
	_, contents := files(t, folder)
	m := parse(t, contents[0])
	want := map[string]string{
		`ä _1_.csv text/csv`: "content of /1", "2.csv text/csv": "content of /folder/2.csv", "3 text/csv": "content of /3", "4.pdf text/csv": "content of /4",
	}
	if diff := cmp.Diff(want, m.attachments); diff != "" {
		t.Errorf("attachments: (-want +got)\n%s", diff)
	}
	if m.text != "x" || m.html != "<b>x</b>" {
		t.Errorf("bodies: got %q, %q", m.text, m.html)
	}
}

func TestAttachmentsThatCannotBeFetched(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/busy":
			w.WriteHeader(503)
		case "/gone":
			w.WriteHeader(404)
		case "/broken":
			panic(http.ErrAbortHandler)
		default:
			_, _ = w.Write(make([]byte, 200))
		}
	}))
	t.Cleanup(server.Close)
	step := open(t, map[string]string{"LEAT_OUTBOX": t.TempDir(), "MAX_BODY_LENGTH": "100"}, "")
	for path, test := range map[string]struct {
		rebound bool
		want    string
	}{
		"/busy":   {true, "503"},
		"/gone":   {false, "404"},
		"/broken": {true, "EOF"},
		"/large":  {false, "MAX_BODY_LENGTH"},
	} {
		got := step.Process(t, message(`{"to":"a@example.com","textBody":"x","attachments":[{"url":"`+server.URL+path+`?signature=s3cret","filename":"f"}]}`))
		if got.Err == nil || !strings.Contains(got.Err.Error(), test.want) || strings.Contains(got.Err.Error(), "s3cret") {
			t.Errorf("%s: got %v; want an error with %q", path, got.Err, test.want)
		}
		if component.IsRebound(got.Err) != test.rebound {
			t.Errorf("%s: got %v; comes back: %v, want %v", path, got.Err, !test.rebound, test.rebound)
		}
	}
}

func TestTheMessageIDTellsDuplicatesApart(t *testing.T) {
	folder := t.TempDir()
	send := func(step, id string) string {
		t.Helper()
		o := componenttest.Options{Flow: "f", ID: step, Env: map[string]string{"LEAT_OUTBOX": folder}}
		m := message(`{"to":"a@example.com","textBody":"x"}`)
		m.ID = id
		return results(t, componenttest.Open(t, email.New(now), o).Process(t, m))[0]["MessageID"].(string)
	}
	first := send("mail:a", messageID)
	if want := messageID + ".mail=a.f@elastic.io"; first != want {
		t.Errorf("got %s, want %s", first, want)
	}
	if again := send("mail:a", messageID); again != first {
		t.Errorf("the same message gave %s, then %s", first, again)
	}
	if other := send("mail:b", messageID); other == first {
		t.Errorf("two steps gave %s", other)
	}
	if a, b := send("s", "no uuid 1"), send("s", "no uuid 2"); a == b {
		t.Errorf("two messages gave %s", a)
	}
}

func TestOpenSaysWhatToSet(t *testing.T) {
	for name, test := range map[string]struct {
		env    map[string]string
		config string
		want   string
	}{
		"nothing":       {want: "set SMTP_URL (smtp://user:password@host:port), MANDRILL_API_KEY, or LEAT_OUTBOX"},
		"a placeholder": {env: map[string]string{"MANDRILL_API_KEY": "<your key>"}, want: "MANDRILL_API_KEY holds a placeholder"},
		"a bad sender":  {env: map[string]string{"LEAT_OUTBOX": "x", "MANDRILL_FROM_EMAIL": "me"}, want: `MANDRILL_FROM_EMAIL: "me" is no mail address`},
		"a bad size":    {env: map[string]string{"LEAT_OUTBOX": "x", "MAX_BODY_LENGTH": "10MB"}, want: `MAX_BODY_LENGTH: "10MB" is no number of bytes`},
		"a bad API":     {env: map[string]string{"MANDRILL_API_KEY": realKey, "MANDRILL_URL": "mandrill"}, want: `MANDRILL_URL: "mandrill" is no http or https URL`},
		"a bad config":  {config: `{"dontThrowErrorFlg":"yes"}`, want: "data.dontThrowErrorFlg: expected a boolean, found a string"},
	} {
		_, err := componenttest.New(email.New(now), componenttest.Options{Env: test.env, Config: test.config})
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: got %v; want %q", name, err, test.want)
		}
	}
}

func TestPlaceholdersAreNoKeys(t *testing.T) {
	for key, want := range map[string]bool{
		"": true, " ": true, "xxxx": true, "---": true, "<your key>": true, "YOUR_KEY": true, "your-mandrill-key": true, "REPLACE_ME": true,
		"<PLACE_YOUR_MANDRILL_KEY_HERE>": true, "PlaceYourKeyHere": true, "${MANDRILL_API_KEY}": true, "MANDRILL_API_KEY": true, "changeme": true,
		"put key here": true, "example": true, "TODO": true, "...": true,
		realKey: false, "md-a1B2c3D4e5F6g7H8i9J0kL": false, "test-key": false, "abc_DEF-123": false,
	} {
		if got := email.IsPlaceholder(key); got != want {
			t.Errorf("%q: got %v, want %v", key, got, want)
		}
	}
}
