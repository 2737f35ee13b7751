package main

import (
	"cmp"
	"log/slog"
	"net"
	"os"

	"k8s.io/klog/v2"

	"github.com/openintegrationhub/leat/components"
	"github.com/openintegrationhub/leat/internal/amqp"
	"github.com/openintegrationhub/leat/internal/cluster"
	"github.com/openintegrationhub/leat/internal/flow"
	"github.com/openintegrationhub/leat/internal/kube"
	"github.com/openintegrationhub/leat/internal/program"
)

// service has the flags of all services of a cluster. The platform's settings are environment variables, since all services have to have the same.
type service struct {
	Listen     string `default:":8081" env:"LEAT_LISTEN" placeholder:"ADDR" help:"Address for /healthz, /readyz and /metrics (default ${default})."`
	Kubeconfig string `placeholder:"FILE" help:"How to reach Kubernetes. By default as the pod that this runs in, else by $KUBECONFIG."`
	LogFormat  string `enum:"text,json" default:"json" env:"LEAT_LOG_FORMAT" help:"json for machines, text for people."`
	Verbose    bool   `short:"v" env:"LEAT_VERBOSE" help:"Log more."`
}

// logger makes the log of a service, and lets Kubernetes' libraries write to it.
func (s *service) logger(std program.Streams) *slog.Logger {
	level := slog.LevelInfo
	if s.Verbose {
		level = slog.LevelDebug
	}
	var handler slog.Handler = slog.NewJSONHandler(std.Out, &slog.HandlerOptions{Level: level})
	if s.LogFormat == "text" {
		handler = program.NewConsole(std.Out, level)
	}
	logger := slog.New(handler)
	klog.SetSlogLogger(logger)
	return logger
}

// settings reads the platform's settings from the environment.
func (s *service) settings() (kube.Settings, error) {
	settings, err := kube.ReadSettings(os.Getenv, func(image string) string {
		c, _ := components.Find(image)
		return c.Name
	})
	if err != nil {
		return settings, program.Wrong(err)
	}
	return settings, nil
}

// options makes the options of a service of internal/cluster.
func (s *service) options(name string, std program.Streams) (cluster.Options, error) {
	program.TuneCollector()
	settings, err := s.settings()
	if err != nil {
		return cluster.Options{}, err
	}
	config, err := cluster.ServiceConfig(s.Kubeconfig)
	if err != nil {
		return cluster.Options{}, program.Wrong(err)
	}
	config.UserAgent = "leat-" + name
	logger := s.logger(std)
	host, _ := os.Hostname()
	return cluster.Options{
		Config:         config,
		Namespaces:     settings.Namespaces,
		Platform:       settings.Platform(),
		Checks:         []flow.NodeCheck{program.CheckData},
		Broker:         amqp.Dialer{URL: settings.RabbitMQ, Name: "leat/" + name},
		Listen:         s.Listen,
		LeaseNamespace: leaseNamespace(),
		Identity:       cmp.Or(os.Getenv("POD_NAME"), host),
		Logger:         logger,
		Ready: func(health, requests net.Addr) {
			args := []any{"version", program.Version(), "health", health.String()}
			if requests != nil {
				args = append(args, "http", requests.String())
			}
			logger.Info(name+" runs", args...)
		},
	}, nil
}

// leaseNamespace is where the leases of services are of which only one may work.
func leaseNamespace() string { return cmp.Or(os.Getenv("POD_NAMESPACE"), platformNamespace) }

// platformNamespace is where the platform is installed.
const platformNamespace = "platform"
