package flow

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// checker judges one decoded flow.
type checker struct {
	*decoded
	mistakes Mistakes
	index    map[string]int    // of nodes by id; the first of those that share one
	similar  map[string]string // ids by what they are alike to
}

// check judges a decoded flow and builds the checked one, which is of use only when there are no mistakes.
func check(d *decoded, checks []NodeCheck) (*Flow, Mistakes) {
	c := &checker{decoded: d, index: map[string]int{}}
	spec := &d.flow.Spec
	c.metadata()
	c.spec()
	f := &Flow{
		Name: d.flow.Name, Namespace: namespace(&d.flow),
		File:      d.file,
		Suspended: spec.Suspended, AllowCycles: spec.AllowCycles,
		HTTP:         HTTP{Reply: spec.HTTP.Reply},
		DrainTimeout: DefaultDrainTimeout,
		Resources:    spec.Resources,
	}
	f.Line, _ = d.place("metadata.name")
	if spec.DrainTimeout != nil {
		f.DrainTimeout = spec.DrainTimeout.Duration
	}
	for i := range spec.Nodes {
		n := c.node(i)
		f.Nodes = append(f.Nodes, n)
		for _, more := range checks {
			c.further(i, n, more)
		}
	}
	for _, e := range spec.Connections {
		f.Connections = append(f.Connections, Connection(e))
	}
	c.graph()
	return f, c.mistakes
}

// report adds a mistake, unless the value is spoiled.
func (c *checker) report(path, format string, args ...any) {
	if len(c.mistakes) > mistakesMax || c.spoiled(path) {
		return
	}
	line, column := c.place(path)
	c.mistakes = append(c.mistakes, Mistake{File: c.file, Line: line, Column: column, Path: join(c.prefix, path), Text: fmt.Sprintf(format, args...)})
}

// further runs a check that knows the component, on a node that it can rely on.
func (c *checker) further(i int, n *Node, more NodeCheck) {
	path := fmt.Sprintf("spec.nodes[%d]", i)
	for _, field := range []string{"id", "image", "function", "data"} {
		if c.spoiled(path + "." + field) {
			return
		}
	}
	if n.Image == "" || n.Function == "" {
		return
	}
	for _, m := range more(n) {
		c.report(join(path, m.Path), "%s", m.Text)
	}
}

func namespace(f *v1.Flow) string { return cmp.Or(f.Namespace, DefaultNamespace) }

func (c *checker) metadata() {
	if c.flow.Name == "" {
		c.report("metadata.name", "missing; give the flow a name")
	} else {
		c.label("metadata.name", c.flow.Name)
	}
	if c.flow.Namespace != "" {
		c.label("metadata.namespace", c.flow.Namespace)
	}
}

// label checks a DNS label as of RFC 1123, which names in Kubernetes and host names are.
func (c *checker) label(path, name string) {
	why := ""
	switch i := strings.IndexFunc(name, func(r rune) bool { return !isLabel(r) }); {
	case len(name) > 63:
		c.report(path, "%q has %d characters; at most 63 are allowed", shorten(name), len([]rune(name)))
		return
	case i >= 0:
		r, _ := utf8.DecodeRuneInString(name[i:])
		why = fmt.Sprintf("holds %q", r)
	case name[0] == '-':
		why = "starts with -"
	case name[len(name)-1] == '-':
		why = "ends with -"
	default:
		return
	}
	better := strings.Trim(strings.Map(func(r rune) rune {
		if r = unicode.ToLower(r); isLabel(r) {
			return r
		}
		return '-'
	}, name), "-")
	example := ""
	if better != "" {
		example = fmt.Sprintf(", such as %q", better)
	}
	c.report(path, "%q %s; use only a-z and 0-9, and - between them%s", name, why, example)
}

func isLabel(r rune) bool { return r >= 'a' && r <= 'z' || r >= '0' && r <= '9' || r == '-' }

func (c *checker) spec() {
	spec := &c.flow.Spec
	if c.root != nil && (c.root.get("spec") == nil || c.root.get("spec").kind == null) {
		c.report("spec", "missing; a flow needs spec.nodes")
		c.bad["spec"] = true
		return
	}
	if len(spec.Nodes) == 0 {
		c.report("spec.nodes", "missing; a flow needs a node")
		return
	}
	// The decoder bounds what comes from a file.
	if len(spec.Nodes) > NodesMax {
		c.report("spec.nodes", "%d nodes; at most %d are allowed", len(spec.Nodes), NodesMax)
		c.bad["spec.nodes"] = true
	}
	if len(spec.Connections) > ConnectionsMax {
		c.report("spec.connections", "%d connections; at most %d are allowed", len(spec.Connections), ConnectionsMax)
	}
	if spec.DrainTimeout != nil && spec.DrainTimeout.Duration < 0 {
		c.report("spec.drainTimeout", "must not be negative")
	}
	c.resources("spec.resources", spec.Resources)
	c.secrets("spec.imagePullSecrets", spec.ImagePullSecrets)
	c.choice("spec.workload", spec.Workload, "Job", "Deployment")
}

var (
	idRule  = regexp.MustCompile(`^[A-Za-z0-9_:-]{1,64}$`)
	envRule = regexp.MustCompile(`^[-._A-Za-z][-._A-Za-z0-9]*$`)
)

// node checks one node by itself.
func (c *checker) node(i int) *Node {
	n, path := &c.flow.Spec.Nodes[i], fmt.Sprintf("spec.nodes[%d]", i)
	c.id(i)
	c.required(path+".image", n.Image, "name the container image of the component")
	if strings.ContainsFunc(n.Image, func(r rune) bool { return r <= ' ' }) {
		c.report(path+".image", "%q holds a space; remove it", shorten(n.Image))
	}
	c.required(path+".function", n.Function, "name the function of the component to run")
	c.env(path, n)
	c.count(path+".prefetch", n.Prefetch, 1, 65535)
	c.count(path+".replicas", n.Replicas, 0, 1000)
	if n.RateLimit < 0 {
		c.report(path+".rateLimit", "must not be negative; 0 is no limit")
	}
	c.resources(path+".resources", n.Resources)
	c.secrets(path+".imagePullSecrets", n.ImagePullSecrets)
	c.choice(path+".imagePullPolicy", n.ImagePullPolicy, "Always", "IfNotPresent", "Never")
	c.choice(path+".workload", n.Workload, "Job", "Deployment")
	return c.build(n, c.schedule(path, n))
}

// build fills in what a node leaves out.
func (c *checker) build(n *v1.Node, s Schedule) *Node {
	out := &Node{
		ID: n.ID, Image: n.Image, Function: n.Function,
		First: n.First, Polling: n.IsPolling, Schedule: s,
		Env: n.Env, Data: json.RawMessage(n.Data.Raw),
		Command: n.Command, Args: n.Args,
		Prefetch: DefaultPrefetch, Replicas: DefaultReplicas, RateLimit: n.RateLimit,
		Resources:       merge(n.Resources, c.flow.Spec.Resources),
		ImagePullPolicy: n.ImagePullPolicy,
		ValueFrom:       n.ValueFrom, EnvFrom: n.EnvFrom,
		Workload:    cmp.Or(n.Workload, c.flow.Spec.Workload, DefaultWorkload),
		PodTemplate: json.RawMessage(n.PodTemplate.Raw),
	}
	if len(out.PodTemplate) == 0 {
		out.PodTemplate = json.RawMessage(c.flow.Spec.PodTemplate.Raw)
	}
	if len(out.Data) == 0 {
		out.Data = json.RawMessage("{}")
	}
	if n.Prefetch != nil {
		out.Prefetch = int(*n.Prefetch)
	}
	if n.Replicas != nil {
		out.Replicas = int(*n.Replicas)
	}
	secrets := n.ImagePullSecrets
	if len(secrets) == 0 {
		secrets = c.flow.Spec.ImagePullSecrets
	}
	for _, s := range secrets {
		out.ImagePullSecrets = append(out.ImagePullSecrets, s.Name)
	}
	return out
}

func (c *checker) id(i int) {
	id, path := c.flow.Spec.Nodes[i].ID, fmt.Sprintf("spec.nodes[%d].id", i)
	if id == "" {
		c.required(path, id, "give the node an id")
		return
	}
	if before, twice := c.index[id]; twice {
		c.report(path, "%q is also the id of spec.nodes[%d]; rename one", shorten(id), before)
		return
	}
	c.index[id] = i
	switch {
	case len(id) > 64:
		c.report(path, "%q has %d characters; at most 64 are allowed", shorten(id), len([]rune(id)))
	case !idRule.MatchString(id):
		c.report(path, "%q is no id; use letters, digits, _, : and -", id)
	}
}

func (c *checker) required(path, value, what string) {
	if value == "" {
		c.report(path, "missing; %s", what)
	}
}

func (c *checker) count(path string, n *int32, least, most int32) {
	if n != nil && (*n < least || *n > most) {
		c.report(path, "must be %d to %d, found %d", least, most, *n)
	}
}

// schedule checks all that has to do with ticks.
func (c *checker) schedule(path string, n *v1.Node) Schedule {
	if n.IsPolling && !n.First && !c.spoiled(path+".first") {
		c.report(path+".isPolling", "only the first node is polled; remove isPolling, or write first: true")
	}
	if !n.IsPolling && !c.spoiled(path+".isPolling") {
		for _, f := range []struct{ name, value string }{{"schedule", n.Schedule}, {"timeZone", n.TimeZone}} {
			if f.value != "" {
				c.report(path+"."+f.name, "has no effect without isPolling: true")
			}
		}
	}
	if n.IsPolling && c.flow.Spec.HTTP.Reply {
		c.report("spec.http.reply", "has no effect, because node %q is polled and no HTTP request reaches it; remove one of the two", shorten(n.ID))
	}
	if !n.IsPolling {
		return Schedule{}
	}
	if _, err := loadZone(n.TimeZone); err != nil {
		c.report(path+".timeZone", "%v", err)
		return Schedule{}
	}
	s, err := NewSchedule(cmp.Or(n.Schedule, DefaultSchedule), n.TimeZone)
	if err != nil {
		c.report(path+".schedule", "%v", err)
	}
	return s
}

// choice checks a value that may be one of a few words, or be left out.
func (c *checker) choice(path, got string, words ...string) {
	if got == "" || slices.Contains(words, got) {
		return
	}
	c.report(path, "expected %s or %s, found %q", strings.Join(words[:len(words)-1], ", "), words[len(words)-1], shorten(got))
}

func (c *checker) secrets(path string, secrets []v1.SecretName) {
	for i, s := range secrets {
		c.required(fmt.Sprintf("%s[%d].name", path, i), s.Name, "name the secret")
	}
}
