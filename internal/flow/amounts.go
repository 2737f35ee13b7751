package flow

import (
	"k8s.io/apimachinery/pkg/api/resource"

	v1 "github.com/openintegrationhub/leat/api/v1"
)

// resources checks quantities by themselves, and requests against limits.
func (c *checker) resources(path string, r v1.Resources) {
	for _, a := range []struct {
		name          string
		limit, demand *resource.Quantity
	}{
		{"cpu", r.Limits.CPU, r.Requests.CPU},
		{"memory", r.Limits.Memory, r.Requests.Memory},
	} {
		if a.limit != nil && a.limit.Sign() < 0 {
			c.report(path+".limits."+a.name, "must not be negative, found %s", a.limit)
		}
		if a.demand != nil && a.demand.Sign() < 0 {
			c.report(path+".requests."+a.name, "must not be negative, found %s", a.demand)
		}
		if a.limit != nil && a.demand != nil && a.demand.Cmp(*a.limit) > 0 {
			c.report(path+".requests."+a.name, "%s is more than the limit of %s", a.demand, a.limit)
		}
	}
}

// merge fills what a node's resources leave out from the flow's. A request of the flow that is beyond the node's own limit is cut to it.
func merge(node, flow v1.Resources) v1.Resources {
	return v1.Resources{
		Limits: v1.Amounts{
			CPU:    first(node.Limits.CPU, raised(flow.Limits.CPU, node.Requests.CPU)),
			Memory: first(node.Limits.Memory, raised(flow.Limits.Memory, node.Requests.Memory)),
		},
		Requests: v1.Amounts{
			CPU:    first(node.Requests.CPU, lowered(flow.Requests.CPU, node.Limits.CPU)),
			Memory: first(node.Requests.Memory, lowered(flow.Requests.Memory, node.Limits.Memory)),
		},
	}
}

func first(a, b *resource.Quantity) *resource.Quantity {
	if a != nil {
		return a
	}
	return b
}

// raised is the limit, but at least the request.
func raised(limit, request *resource.Quantity) *resource.Quantity {
	if limit != nil && request != nil && limit.Cmp(*request) < 0 {
		return request
	}
	return limit
}

// lowered is the request, but at most the limit.
func lowered(request, limit *resource.Quantity) *resource.Quantity {
	if limit != nil && request != nil && request.Cmp(*limit) > 0 {
		return limit
	}
	return request
}

// Resources fills what own leaves out from another's, so that no request is beyond its limit.
func Resources(own, otherwise v1.Resources) v1.Resources { return merge(own, otherwise) }
