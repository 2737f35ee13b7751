package broker_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	amqp "github.com/rabbitmq/amqp091-go"

	"github.com/openintegrationhub/leat/internal/logtest"
	"github.com/openintegrationhub/leat/internal/polltest"
	"github.com/openintegrationhub/leat/test/broker/process"
)

// smallDisk mounts a disk of its own of so many bytes, and returns how to make it larger.
func smallDisk(t *testing.T, size int) (dir string, resize func(size int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("only root can mount a small disk")
	}
	dir = t.TempDir()
	mount := func(flags uintptr, size int) {
		t.Helper()
		if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, fmt.Sprint("size=", size)); err != nil {
			t.Fatalf("mount a disk of %d bytes: %v", size, err)
		}
	}
	mount(0, size)
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	return dir, func(size int) { mount(syscall.MS_REMOUNT, size) }
}

// session is a channel in confirm mode on a connection of its own.
func session(t *testing.T, url string) (*amqp.Connection, *amqp.Channel) {
	t.Helper()
	conn, err := amqp.Dial(url)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	ch, err := conn.Channel()
	if err != nil {
		t.Fatal(err)
	}
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	return conn, ch
}

// flood publishes numbered messages of 64 KiB to a queue until told to stop, and counts those that were confirmed.
type flood struct {
	mu        sync.Mutex // guards what follows
	confirmed map[int]bool
	last      time.Time // of a confirm
}

func (f *flood) run(ch *amqp.Channel, queue string, from, to int) {
	var wg sync.WaitGroup
	defer wg.Wait()
	room := make(chan struct{}, 50)
	for n := from; n < to; n++ {
		room <- struct{}{}
		body := append(fmt.Appendf(nil, "%d ", n), make([]byte, 64<<10)...)
		c, err := ch.PublishWithDeferredConfirm("", queue, false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		if err != nil {
			return
		}
		wg.Go(func() {
			if c.Wait() {
				f.mu.Lock()
				f.confirmed[n], f.last = true, time.Now()
				f.mu.Unlock()
			}
			<-room
		})
	}
}

func (f *flood) count() (n int, quiet time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return len(f.confirmed), time.Since(f.last)
}

// within polls until ok, for at most a minute.
func within(t *testing.T, what string, ok func() bool) {
	t.Helper()
	if !polltest.Within(time.Minute, ok) {
		t.Fatalf("not within a minute: %s", what)
	}
}

func notice(t *testing.T, blocked <-chan amqp.Blocking) amqp.Blocking {
	t.Helper()
	select {
	case alarm := <-blocked:
		return alarm
	case <-time.After(time.Minute):
		t.Fatal("no notice of the broker within a minute")
		return amqp.Blocking{}
	}
}

// left reads the numbers of all messages in a queue.
func left(t *testing.T, ch *amqp.Channel, queue string) map[int]bool {
	t.Helper()
	got := map[int]bool{}
	for {
		d, ok, err := ch.Get(queue, true)
		if err != nil {
			t.Fatal(err)
		}
		if !ok {
			return got
		}
		var n int
		if _, err := fmt.Sscan(string(d.Body[:min(20, len(d.Body))]), &n); err != nil {
			t.Fatal(err)
		}
		got[n] = true
	}
}

func (f *flood) wantAll(t *testing.T, got map[int]bool) {
	t.Helper()
	f.mu.Lock()
	defer f.mu.Unlock()
	lost := 0
	for n := range f.confirmed {
		if !got[n] {
			lost++
		}
	}
	t.Logf("%d messages confirmed, %d found", len(f.confirmed), len(got))
	if lost > 0 {
		t.Errorf("%d of %d confirmed messages are lost", lost, len(f.confirmed))
	}
}

func declareDurable(t *testing.T, ch *amqp.Channel, queue string) {
	t.Helper()
	if _, err := ch.QueueDeclare(queue, true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
}

func TestPublishersAreBlockedBeforeTheDiskIsFullAndGoOnWhenThereIsSpace(t *testing.T) {
	t.Parallel()
	dir, resize := smallDisk(t, 96<<20)
	b, err := process.StartWith(filepath.Join(dir, "data"), process.Options{DiskFree: 32 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill() })
	conn, ch := session(t, b.AMQP)
	blocked := conn.NotifyBlocked(make(chan amqp.Blocking, 10))
	declareDurable(t, ch, "q")
	f := &flood{confirmed: map[int]bool{}}
	go f.run(ch, "q", 0, 1<<20)
	if alarm := notice(t, blocked); !alarm.Active || alarm.Reason != "low on disk" {
		t.Fatalf("notice %+v, want blocked for being low on disk", alarm)
	}
	within(t, "no more confirms", func() bool { _, quiet := f.count(); return quiet > time.Second })
	before, _ := f.count()
	resize(512 << 20)
	if alarm := notice(t, blocked); alarm.Active {
		t.Fatalf("notice %+v, want unblocked", alarm)
	}
	within(t, "100 more confirms", func() bool { n, _ := f.count(); return n > before+100 })
	conn.Close()
	if err := b.Restart(true); err != nil {
		t.Fatal(err)
	}
	_, ch = session(t, b.AMQP)
	f.wantAll(t, left(t, ch, "q"))
}

func TestAFullDiskLosesNothingThatWasConfirmed(t *testing.T) {
	t.Parallel()
	dir, resize := smallDisk(t, 64<<20)
	b, err := process.StartWith(filepath.Join(dir, "data"), process.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill() })
	conn, ch := session(t, b.AMQP)
	declareDurable(t, ch, "q")
	f := &flood{confirmed: map[int]bool{}}
	go f.run(ch, "q", 0, 1<<20)
	stuck := func() bool { n, quiet := f.count(); return n > 0 && quiet > 2*time.Second }
	within(t, "no more confirms", stuck)
	before, _ := f.count()

	resize(128 << 20) // there's space again: it goes on by itself, until that is full too
	within(t, "100 more confirms", func() bool { n, _ := f.count(); return n > before+100 })
	within(t, "no more confirms", stuck)
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	resize(512 << 20)
	if err := b.Resume(); err != nil {
		t.Fatal(err)
	}
	_, ch = session(t, b.AMQP)
	f.wantAll(t, left(t, ch, "q"))
}

// fill makes a folder with 600 messages of 4 KiB in it, some in tables and some just in the log, and the process killed.
func fill(t *testing.T) (dir string) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "data")
	b, err := process.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill() })
	_, ch := session(t, b.AMQP)
	declareDurable(t, ch, "q")
	publish := func(from, to int) {
		var last *amqp.DeferredConfirmation
		for n := from; n < to; n++ {
			body := append(fmt.Appendf(nil, "%d ", n), make([]byte, 4<<10)...)
			if last, err = ch.PublishWithDeferredConfirm("", "q", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body}); err != nil {
				t.Fatal(err)
			}
		}
		if !last.Wait() {
			t.Fatal("not confirmed")
		}
	}
	publish(0, 400)
	if err := b.Restart(true); err != nil { // which writes tables
		t.Fatal(err)
	}
	_, ch = session(t, b.AMQP)
	if err := ch.Confirm(false); err != nil {
		t.Fatal(err)
	}
	publish(400, filled)
	done := time.Now()
	within(t, "the store notes how far it has come", func() bool {
		i, err := os.Stat(filepath.Join(dir, "anchor"))
		return err == nil && i.ModTime().After(done)
	})
	if err := b.Kill(); err != nil {
		t.Fatal(err)
	}
	return dir
}

const filled = 600

func TestADamagedFileIsNamedAndNothingIsLostInSilence(t *testing.T) {
	t.Parallel()
	dir := fill(t)
	kinds := map[string]string{} // by kind, the largest file
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "LOCK" {
			return err
		}
		kind := filepath.Ext(path)
		if kind == "" || strings.HasPrefix(e.Name(), "marker") {
			kind = strings.SplitN(e.Name(), "-", 2)[0]
		}
		if kinds[kind] == "" || length(t, path) > length(t, kinds[kind]) {
			kinds[kind] = path
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{".sst", ".log", "MANIFEST", "OPTIONS"} {
		if kinds[want] == "" {
			t.Errorf("there's no file of kind %s to damage in %v", want, kinds)
		}
	}
	for kind, path := range kinds {
		for _, damage := range []struct {
			name string
			do   func([]byte) []byte
		}{
			{"flipped bytes", func(p []byte) []byte {
				for i := len(p) / 3; i < min(len(p)/3+64, len(p)); i++ {
					p[i] ^= 0xFF
				}
				return p
			}},
			{"nothing in it", func([]byte) []byte { return nil }},
			{"missing", nil},
		} {
			t.Run(kind+" "+damage.name, func(t *testing.T) {
				copied := filepath.Join(t.TempDir(), "data")
				if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
					t.Fatal(err)
				}
				rel, _ := filepath.Rel(dir, path)
				victim := filepath.Join(copied, rel)
				if damage.do == nil {
					err = os.Remove(victim)
				} else {
					var p []byte
					if p, err = os.ReadFile(victim); err == nil {
						err = os.WriteFile(victim, damage.do(p), 0o600)
					}
				}
				if err != nil {
					t.Fatal(err)
				}
				judge(t, copied)
			})
		}
	}
}

func length(t *testing.T, path string) int64 {
	t.Helper()
	i, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return i.Size()
}

// judge starts a broker on a damaged folder. It has to say that it's damaged, at once or when it comes to what can't be read, or to have all.
func judge(t *testing.T, dir string) {
	t.Helper()
	var log logtest.Buffer
	b, err := process.StartWith(dir, process.Options{Errors: &log})
	if err != nil {
		if text := log.String(); !strings.Contains(text, dir) || !strings.Contains(text, "the store is damaged") || !strings.Contains(text, "restore the folder from a backup") {
			t.Errorf("the error doesn't say what is damaged and what to do: %s", text)
		} else {
			t.Logf("refused: %s", strings.TrimSpace(text))
		}
		return
	}
	defer b.Kill()
	_, ch := session(t, b.AMQP)
	q, err := ch.QueueDeclarePassive("q", true, false, false, false, nil)
	if err != nil || q.Messages != filled {
		t.Errorf("it started with %d messages, %v; want all %d or an error\n%s", q.Messages, err, filled, log.String())
		return
	}
	in, err := ch.Consume("q", "", true, false, false, false, nil)
	if err != nil {
		t.Fatal(err)
	}
	damaged := func() bool {
		text := log.String()
		return strings.Contains(text, "damaged") && strings.Contains(text, dir)
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	end := time.After(time.Minute)
	for got := 0; got < filled; {
		select {
		case <-in:
			got++
		case <-tick.C:
			if damaged() {
				t.Logf("told at message %d: %s", got, strings.SplitN(log.String(), "\n", 2)[0])
				return
			}
		case <-end:
			t.Fatalf("after a minute there are %d of %d messages, and no error", got, filled)
		}
	}
}

func TestATornLastWriteLosesNothing(t *testing.T) {
	t.Parallel()
	dir := fill(t)
	logs, err := filepath.Glob(filepath.Join(dir, "*.log"))
	if err != nil || len(logs) == 0 {
		t.Fatalf("logs: %v, %v", logs, err)
	}
	newest := logs[len(logs)-1]
	whole, err := os.ReadFile(newest)
	if err != nil {
		t.Fatal(err)
	}
	for name, rest := range map[string][]byte{
		"zeros":           make([]byte, 5000),
		"half a record":   whole[:min(len(whole), 3000)],
		"a few odd bytes": []byte("torn"),
	} {
		t.Run(name, func(t *testing.T) {
			copied := filepath.Join(t.TempDir(), "data")
			if err := os.CopyFS(copied, os.DirFS(dir)); err != nil {
				t.Fatal(err)
			}
			f, err := os.OpenFile(filepath.Join(copied, filepath.Base(newest)), os.O_APPEND|os.O_WRONLY, 0)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := f.Write(rest); err != nil {
				t.Fatal(err)
			}
			f.Close()
			b, err := process.Start(copied)
			if err != nil {
				t.Fatal(err)
			}
			defer b.Kill()
			_, ch := session(t, b.AMQP)
			if got := left(t, ch, "q"); len(got) != filled {
				t.Errorf("%d messages are left, want %d", len(got), filled)
			}
		})
	}
}

func TestAMessageForTenQueuesIsOnDiskOnce(t *testing.T) {
	t.Parallel()
	const messages, size = 200, 64 << 10
	dir := filepath.Join(t.TempDir(), "data")
	b, err := process.Start(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { b.Kill() })
	_, ch := session(t, b.AMQP)
	if err := ch.ExchangeDeclare("x", "fanout", true, false, false, false, nil); err != nil {
		t.Fatal(err)
	}
	for n := range 10 {
		q := fmt.Sprint("q", n)
		declareDurable(t, ch, q)
		if err := ch.QueueBind(q, "", "x", false, nil); err != nil {
			t.Fatal(err)
		}
	}
	for n := range messages {
		body := append(fmt.Appendf(nil, "%d ", n), make([]byte, size)...)
		c, err := ch.PublishWithDeferredConfirm("x", "", false, false, amqp.Publishing{DeliveryMode: amqp.Persistent, Body: body})
		if err != nil || !c.Wait() {
			t.Fatalf("publish: %v", err)
		}
	}
	if err := b.Restart(true); err != nil { // what is in the log twice goes with it
		t.Fatal(err)
	}
	total := int64(0)
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			total += length(t, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d MB on disk for %d MB of messages in ten queues", total>>20, messages*size>>20)
	if once := int64(messages * size); total > 3*once { // in the log, in a table, and some
		t.Errorf("%d bytes on disk for %d bytes of messages", total, once)
	}
	_, ch = session(t, b.AMQP)
	for n := range 10 {
		if got := left(t, ch, fmt.Sprint("q", n)); len(got) != messages {
			t.Errorf("queue %d has %d messages, want %d", n, len(got), messages)
		}
	}
}
