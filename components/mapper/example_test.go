package mapper_test

import (
	"context"
	"fmt"

	"github.com/openintegrationhub/leat/component/componenttest"
	"github.com/openintegrationhub/leat/components/mapper"
)

func ExampleMap() {
	step, err := componenttest.New(mapper.Map, componenttest.Options{
		Config: `{"mapper": {"to": "customer.email", "subject": "\"Order \" & id", "total": "$sum(lines.(price * quantity))"}}`,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer step.Stop()
	got := step.ProcessContext(context.Background(), componenttest.Message(
		`{"id": 5, "customer": {"email": "ann@example.com"}, "lines": [{"price": 2, "quantity": 3}, {"price": 1.5, "quantity": 1}]}`))
	fmt.Println(string(got.Messages[0].Body))
	// Output: {"to":"ann@example.com","subject":"Order 5","total":7.5}
}

func ExampleTransform() {
	step, err := componenttest.New(mapper.Transform, componenttest.Options{Config: `{"expression": "orders.{\"id\": id}"}`})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer step.Stop()
	for _, m := range step.ProcessContext(context.Background(), componenttest.Message(`{"orders": [{"id": 1}, {"id": 2}]}`)).Messages {
		fmt.Println(string(m.Body))
	}
	// Output:
	// {"id":1}
	// {"id":2}
}
