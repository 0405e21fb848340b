package protocol

func nameFields() []FieldSpec { return nil }
