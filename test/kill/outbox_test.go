package kill_test

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"mime/quotedprintable"
	"net/mail"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// outbox reads the mails of a data folder as they come.
type outbox struct {
	t      *testing.T
	folder string
	read   map[string]bool     // files
	mails  map[int][]string    // number of the request -> Message-ID of each mail with it
	ids    map[string]struct{} // all Message-IDs
}

func newOutbox(p *program) *outbox {
	return &outbox{t: p.t, folder: filepath.Join(p.folder, "outbox"), read: map[string]bool{}, mails: map[int][]string{}, ids: map[string]struct{}{}}
}

// look reads the mails that are new and returns how many there are in all.
func (o *outbox) look() int {
	o.t.Helper()
	entries, err := os.ReadDir(o.folder)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		o.t.Fatal(err)
	}
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".eml") && !o.read[name] {
			o.read[name] = true
			if err := o.take(name); err != nil {
				o.t.Fatalf("mail %s: %v", name, err)
			}
		}
	}
	return len(o.read)
}

var requestIDs = regexp.MustCompile(`request-(\d{6})-end`)

func (o *outbox) take(name string) error {
	f, err := os.Open(filepath.Join(o.folder, name))
	if err != nil {
		return err
	}
	defer f.Close()
	m, err := mail.ReadMessage(f)
	if err != nil {
		return err
	}
	body := m.Body
	if strings.EqualFold(m.Header.Get("Content-Transfer-Encoding"), "quoted-printable") {
		body = quotedprintable.NewReader(body)
	}
	text, err := io.ReadAll(body)
	if err != nil {
		return err
	}
	id := strings.TrimSpace(m.Header.Get("Message-ID"))
	if id == "" {
		return errors.New("no Message-ID")
	}
	found := requestIDs.FindSubmatch(text)
	if found == nil {
		return fmt.Errorf("no request in the body %q", text)
	}
	n, err := strconv.Atoi(string(found[1]))
	if err != nil {
		return err
	}
	o.mails[n] = append(o.mails[n], id)
	o.ids[id] = struct{}{}
	return nil
}

// missing lists the requests, of n, that have no mail.
func (o *outbox) missing(n int) (numbers []int) {
	for i := range n {
		if len(o.mails[i]) == 0 {
			numbers = append(numbers, i)
		}
	}
	return numbers
}

// checkDuplicates fails if a request that was sent once has mails that can't be told to be the same. It returns how many mails came a second
// time with the Message-ID of one before.
func (o *outbox) checkDuplicates(s *sender) (duplicates int) {
	o.t.Helper()
	for n, ids := range o.mails {
		distinct := map[string]bool{}
		for _, id := range ids {
			distinct[id] = true
		}
		duplicates += len(ids) - len(distinct)
		if tries := int(s.tries[n].Load()); len(distinct) > tries {
			o.t.Errorf("request %d was sent %d times and made mails with %d Message-IDs: a duplicate can't be told", n, tries, len(distinct))
		}
	}
	return duplicates
}
