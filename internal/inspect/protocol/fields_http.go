package protocol

func httpFields() []FieldSpec { return nil }
