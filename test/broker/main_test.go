package broker_test

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"strings"
	"testing"

	"github.com/openintegrationhub/leat/test/broker/process"
)

// The law's tests mostly wait, so many may run at once whatever the number of processors.
func TestMain(m *testing.M) {
	process.Main()
	ctl()
	flag.Parse()
	if err := flag.Set("test.parallel", "16"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// ctlVariable makes this program a stand-in for rabbitmqctl. Its value is where the test listens for what it should do.
const ctlVariable = "LEAT_TEST_RABBITMQCTL"

// ctl is the stand-in: it hands its arguments over.
func ctl() {
	url, ok := os.LookupEnv(ctlVariable)
	if !ok {
		return
	}
	res, err := http.Post(url, "text/plain", strings.NewReader(strings.Join(os.Args[1:], " ")))
	if err != nil || res.StatusCode != http.StatusOK {
		fmt.Fprintln(os.Stderr, "rabbitmqctl:", err, res)
		os.Exit(1)
	}
	os.Exit(0)
}
