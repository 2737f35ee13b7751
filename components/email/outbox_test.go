package email_test

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/email"
)

// files returns the names and contents of folder, in the order of names.
func files(t *testing.T, folder string) (names, contents []string) {
	t.Helper()
	entries, err := os.ReadDir(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, entry := range entries {
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			t.Fatal(err)
		}
		names, contents = append(names, entry.Name()), append(contents, string(content))
	}
	return names, contents
}

func TestTheOutboxGetsAReadableMail(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data", "outbox")
	step := open(t, map[string]string{"LEAT_OUTBOX": folder, "MANDRILL_API_KEY": "REPLACE_ME"}, "")
	got := step.Process(t, message(`{"to":"a@example.com","bcc":"Eve <eve@example.com>","subject":"Test from e.io at: 2026-11-22T16:01:02.000Z",
		"textBody":"Body is: \n{\"arg1\":\"val1 = ä\",\"long\":\"`+strings.Repeat("x", 200)+`\"}"}`))
	if r := results(t, got); r[1]["To"] != "eve@example.com" || r[1]["RecipientType"] != "bcc" || r[1]["Message"] != "OK" {
		t.Errorf("second result: got %v", r[1])
	}
	names, contents := files(t, folder)
	if diff := cmp.Diff([]string{"20261122T160102.123456Z-example-flow-3fe0a0c8.eml"}, names); diff != "" {
		t.Fatalf("files: (-want +got)\n%s", diff)
	}
	for _, want := range []string{"Body is: \r\n", `{"arg1":"val1 = ä","long":"` + strings.Repeat("x", 200) + `"}`, "Bcc: \"Eve\" <eve@example.com>\r\n"} {
		if !strings.Contains(contents[0], want) {
			t.Errorf("the file has no %q:\n%s", want, contents[0])
		}
	}
	m := parse(t, contents[0])
	if got, want := m.header.Get("Subject"), "Test from e.io at: 2026-11-22T16:01:02.000Z"; got != want {
		t.Errorf("subject: got %q, want %q", got, want)
	}
	if !strings.HasPrefix(m.text, "Body is: \r\n{") {
		t.Errorf("text: got %q", m.text)
	}
}

func TestLinesTooLongForMailAreEncoded(t *testing.T) {
	folder := t.TempDir()
	long := strings.Repeat("ä", 1000)
	results(t, open(t, map[string]string{"LEAT_OUTBOX": folder}, "").Process(t, message(`{"to":"a@example.com","textBody":"`+long+`"}`)))
	_, contents := files(t, folder)
	for line := range strings.SplitSeq(contents[0], "\r\n") {
		if len(line) > 998 {
			t.Errorf("a line has %d bytes", len(line))
		}
	}
	if got := parse(t, contents[0]).text; got != long {
		t.Errorf("text: got %d bytes, want %d", len(got), len(long))
	}
}

func TestNamesInTheOutboxSortByTimeAndNeverRepeat(t *testing.T) {
	folder := t.TempDir()
	step := open(t, map[string]string{"LEAT_OUTBOX": folder}, "") // its clock stands still
	var wg sync.WaitGroup
	for i := range 4 {
		wg.Go(func() {
			for n := range 5 {
				got := step.Process(t, message(fmt.Sprintf(`{"to":"a@example.com","subject":"%d","textBody":"x"}`, 5*i+n)))
				if got.Err != nil {
					t.Error(got.Err)
				}
			}
		})
	}
	wg.Wait()
	names, contents := files(t, folder)
	if len(names) != 20 {
		t.Fatalf("got %d files, want 20", len(names))
	}
	if want := "20261122T160102.123475Z-example-flow-3fe0a0c8.eml"; names[19] != want {
		t.Errorf("the last name: got %s, want %s", names[19], want)
	}
	var subjects []string
	for _, content := range contents {
		subjects = append(subjects, parse(t, content).header.Get("Subject"))
	}
	slices.Sort(subjects)
	if subjects = slices.Compact(subjects); len(subjects) != 20 {
		t.Errorf("got %d different mails, want 20", len(subjects))
	}
}

func TestStrangeIDsMakeNoStrangeFileNames(t *testing.T) {
	folder := t.TempDir()
	step := open(t, map[string]string{"LEAT_OUTBOX": folder}, "")
	for _, id := range []string{"", "../../x", "a b\r\nBcc: eve@example.com", strings.Repeat("9", 300)} {
		m := message(`{"to":"a@example.com","textBody":"x"}`)
		m.ID = id
		results(t, step.Process(t, m))
	}
	names, contents := files(t, folder)
	if len(names) != 4 {
		t.Errorf("got %d files in the folder, want 4", len(names))
	}
	for _, content := range contents {
		m := parse(t, content)
		if id := m.header.Get("Message-Id"); strings.ContainsAny(id, " \r\n") || len(id) > 200 || !strings.HasSuffix(id, "@elastic.io>") {
			t.Errorf("Message-ID: got %q", id)
		}
		if m.header.Get("Bcc") != "" {
			t.Errorf("the id has become a header: %v", m.header)
		}
	}
}

func TestWhatACrashLeftInTheOutboxIsRemoved(t *testing.T) {
	folder := t.TempDir()
	for name, age := range map[string]time.Duration{"old.eml.part": 2 * time.Hour, "new.eml.part": 0, "old.eml": 2 * time.Hour} {
		file := filepath.Join(folder, name)
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		at := time.Now().Add(-age)
		if err := os.Chtimes(file, at, at); err != nil {
			t.Fatal(err)
		}
	}
	open(t, map[string]string{"LEAT_OUTBOX": folder}, "")
	names, _ := files(t, folder)
	if diff := cmp.Diff([]string{"new.eml.part", "old.eml"}, names); diff != "" {
		t.Errorf("files: (-want +got)\n%s", diff)
	}
}

func TestAnOutboxThatCannotBeIsAnErrorAtOnce(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := componenttest.New(email.New(now), componenttest.Options{Env: map[string]string{"LEAT_OUTBOX": file}}); err == nil {
		t.Error("no error")
	}
}

func BenchmarkOutbox(b *testing.B) {
	step := open(b, map[string]string{"LEAT_OUTBOX": b.TempDir()}, "")
	body := `{"to":"a@example.com","subject":"Test from e.io at: 2026-11-22T16:01:02.000Z","textBody":"Body is: \n{\"arg1\":\"val1\",\"arg2\":\"val2\"}"}`
	b.ReportAllocs()
	for b.Loop() {
		if got := step.Process(b, message(body)); got.Err != nil {
			b.Fatal(got.Err)
		}
	}
}
