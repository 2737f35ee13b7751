package store

// Kind tells what a document is.
type Kind string

// Kinds of documents.
const (
	Snapshot    Kind = "snapshot"     // of a step; Name is the step
	StartupData Kind = "startup-data" // what a step's startup hook returned; Name is the step
	AccountKeys Kind = "account-keys" // credentials that a component has renewed; Name is the account, Flow is empty
)

// Key finds a document.
type Key struct {
	Kind      Kind
	Namespace string
	Flow      string
	Name      string
}
