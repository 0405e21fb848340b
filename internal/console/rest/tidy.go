package rest

import "github.com/masugata/masugata/internal/model"

// The description promises lists that are never null; these give them.

func tidyAll[T any](list []T, tidy func(T) T) []T {
	out := make([]T, len(list))
	for i, v := range list {
		out[i] = tidy(v)
	}
	return out
}

func tidyIncident(i model.Incident) model.Incident {
	i.Layers, i.Devices, i.Events = orEmpty(i.Layers), orEmpty(i.Devices), orEmpty(i.Events)
	i.Actions, i.Story = orEmpty(i.Actions), orEmpty(i.Story)
	return i
}

func tidyDevice(d model.Device) model.Device {
	d.Addrs = orEmpty(d.Addrs)
	return d
}
