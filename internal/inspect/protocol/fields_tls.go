package protocol

func tlsFields() []FieldSpec { return nil }
