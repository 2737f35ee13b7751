package core

import (
	"fmt"
	"testing"
)

// paged is a bed with room for two messages of a queue in memory, whose third is on its way to the store and wanted from there: the first two
// are with a consumer.
func paged(t *testing.T) *bed {
	b := newBed(t, true)
	b.v.limits.WindowMessages = 2
	b.queue("q")
	b.queue("other")
	b.consume("other", "o", false)
	b.publish("", "q", "one", "two")
	b.commit()
	b.publish("", "q", "three")
	b.consume("q", "c", true)
	b.expect("c 1 one", "c 2 two")
	return b
}

// read looks in the pretended store for what is wanted; answer tells what was found.
func (b *bed) read() (answer func()) {
	b.Helper()
	loads := b.v.TakeLoads()
	if len(loads) == 0 {
		b.Fatal("nothing is to be read")
	}
	found := make([][]Stored, len(loads))
	for i, l := range loads {
		for seq := l.From; len(found[i]) < l.Messages && seq < l.From+10; seq++ {
			if body, there := b.stored[fmt.Sprintf("%d/%d/%d", l.Queue, l.Level, seq)]; there {
				found[i] = append(found[i], Stored{Seq: seq, Record: message(b.v, "", "q", body, persistent()).AppendRecord(nil)})
			}
		}
	}
	return func() {
		b.Helper()
		for i, l := range loads {
			if err := b.v.Loaded(l, found[i]); err != nil {
				b.Fatal(err)
			}
		}
	}
}

func TestAReadBeforeTheCommitIsRepeated(t *testing.T) {
	b := paged(t)
	answer := b.read()
	answer()
	b.commit()
	b.read()()
	b.expect("c 3 three")
}

func TestAReadOvertakenByTheCommitIsRepeated(t *testing.T) {
	b := paged(t)
	answer := b.read()
	b.commit()
	answer()
	b.read()()
	b.expect("c 3 three")
}

func TestAReadIsRepeatedWhenTheNextCommitIsNotNeeded(t *testing.T) {
	b := paged(t)
	answer := b.read()
	b.commit()
	b.publish("", "other", "soon done")
	answer()
	b.expect("o 3 soon done")
	b.must(b.ch.Ack(3, false))
	if ops, _ := b.v.Take(false); len(ops) > 0 {
		t.Fatalf("%d facts were left", len(ops))
	}
	b.read()()
	b.expect("c 4 three")
}

func TestWhatIsCountedButNotThereIsForgotten(t *testing.T) {
	b := paged(t)
	b.commit()
	clear(b.stored)
	b.read()()
	b.expect()
	if b.v.WantsLoad() || b.v.Reading() {
		t.Error("the queue waits for a message that isn't there")
	}
}
