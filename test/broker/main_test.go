package broker_test

import (
	"flag"
	"os"
	"testing"

	"github.com/openintegrationhub/leat/test/broker/process"
)

// The law's tests mostly wait, so many may run at once whatever the number of processors.
func TestMain(m *testing.M) {
	process.Main()
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}
