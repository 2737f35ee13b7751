// Package e2e_test installs Leat on a real Kubernetes and uses it as people do. `make e2e` starts the cluster and runs it; without LEAT_E2E nothing
// here runs.
package e2e_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/openintegrationhub/leat/internal/kube"
)

// Namespaces of the platform, and of the flows.
const (
	platform = "platform"
	flows    = "flows"
)

// world is the cluster that all tests share.
var world struct {
	client client.Client
	config *rest.Config
	nodeIP string // of the cluster's one node, where NodePorts are
	hostIP string // of this machine, as pods see it
}

func TestMain(m *testing.M) {
	if os.Getenv("LEAT_E2E") == "" {
		fmt.Println("`make e2e` runs these tests on a cluster of their own")
		return
	}
	if err := prepare(); err != nil {
		fmt.Fprintln(os.Stderr, "e2e:", err)
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// prepare connects to the cluster and installs the platform, if it isn't there yet.
func prepare() error {
	world.nodeIP, world.hostIP = os.Getenv("IP"), os.Getenv("HOST_IP")
	if world.nodeIP == "" || world.hostIP == "" {
		return fmt.Errorf("IP or HOST_IP isn't set: test/e2e/run.sh runs these tests")
	}
	var err error
	if world.config, err = clientcmd.BuildConfigFromFlags("", os.Getenv("KUBECONFIG")); err != nil {
		return err
	}
	world.config.QPS, world.config.Burst = 100, 200
	if world.client, err = client.New(world.config, client.Options{Scheme: kube.Scheme()}); err != nil {
		return err
	}
	if _, err := run(context.Background(), "kubectl", "get", "deployment", "flows-operator", "-n", platform); err != nil {
		if _, err := run(context.Background(), "kubectl", "create", "-f", "platform/platform.json"); err != nil {
			return err
		}
	}
	return waitForPlatform(3 * time.Minute)
}

// waitForPlatform waits until all services are ready.
func waitForPlatform(most time.Duration) error {
	wait := fmt.Sprintf("--timeout=%s", most)
	if out, err := run(context.Background(), "kubectl", "rollout", "status", "statefulset/rabbitmq", "-n", platform, wait); err != nil {
		return fmt.Errorf("%w\n%s", err, out)
	}
	for _, name := range []string{"flows-operator", "scheduler", "communication-router", "api"} {
		if out, err := run(context.Background(), "kubectl", "rollout", "status", "deployment/"+name, "-n", platform, wait); err != nil {
			pods, _ := run(context.Background(), "kubectl", "get", "pods", "-n", platform)
			logs, _ := run(context.Background(), "kubectl", "logs", "-n", platform, "deployment/"+name, "--tail=30")
			return fmt.Errorf("%w\n%s\n%s\n%s", err, out, pods, logs)
		}
	}
	return nil
}

// run runs a command in the project's folder and returns what it printed.
func run(ctx context.Context, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir = root()
	var out, stderr bytes.Buffer
	command.Stdout, command.Stderr = &out, &stderr
	if err := command.Run(); err != nil {
		return out.String(), fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out.String(), nil
}

func root() string {
	folder, err := filepath.Abs("../..")
	if err != nil {
		panic(err)
	}
	return folder
}
