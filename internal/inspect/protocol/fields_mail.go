package protocol

func mailFields() []FieldSpec { return nil }
