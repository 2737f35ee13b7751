package v1

// ValueSource says where the value of an environment variable is kept. It has exactly one of its fields.
type ValueSource struct {
	// SecretKeyRef is one entry of a Secret.
	// +optional
	SecretKeyRef *KeyRef `json:"secretKeyRef,omitempty"`
	// ConfigMapKeyRef is one entry of a ConfigMap.
	// +optional
	ConfigMapKeyRef *KeyRef `json:"configMapKeyRef,omitempty"`
}

// EnvSource names a Secret or a ConfigMap whose entries become environment variables. It has exactly one of the two.
type EnvSource struct {
	// Prefix is put before each name. Default: none.
	// +optional
	Prefix string `json:"prefix,omitempty"`
	// SecretRef is a Secret.
	// +optional
	SecretRef *Ref `json:"secretRef,omitempty"`
	// ConfigMapRef is a ConfigMap.
	// +optional
	ConfigMapRef *Ref `json:"configMapRef,omitempty"`
}

// KeyRef names one entry of an object in the namespace of the flow.
type KeyRef struct {
	// Name is the name of the object.
	Name string `json:"name"`
	// Key is the name of the entry.
	Key string `json:"key"`
	// Optional lets the step start without the entry. Default: false.
	// +optional
	Optional bool `json:"optional,omitempty"`
}

// Ref names an object in the namespace of the flow.
type Ref struct {
	// Name is the name of the object.
	Name string `json:"name"`
	// Optional lets the step start without the object. Default: false.
	// +optional
	Optional bool `json:"optional,omitempty"`
}
