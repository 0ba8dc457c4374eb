package function

import (
	"context"
	"slices"
	"strings"

	"github.com/mayfly-faas/mayfly/internal/store"
)

// layerBook is what functions need of layers.
type layerBook interface {
	// resolve finds the layer version called arn; ErrInvalid when there is none.
	// Its archive stays for as long as it takes to say that a function uses it.
	resolve(ctx context.Context, arn string) (LayerRef, error)

	// uses tells whether a layer version keeps its archive under sha.
	uses(tx store.Tx, sha string) (bool, error)

	// size is what all layer versions take of the account's code storage.
	size(tx store.Tx) (int64, error)
}

const maxLayers = 5

// resolveLayers looks up the layers that a function names.
//
// A layer that is deleted later stays in the functions that use it, archive
// included: that is why a function keeps what it resolved, not only the name.
func (r *Registry) resolveLayers(ctx context.Context, arns []string) ([]LayerRef, error) {
	if len(arns) > maxLayers {
		return nil, refuse(ErrInvalid, "Cannot reference more than %d layers.", maxLayers)
	}
	var refs []LayerRef // nil for none, so that "no longer any" is the same as "never any"
	for i, a := range arns {
		if p := strings.Split(a, ":"); len(p) > 4 && p[3] != "" && p[3] != r.region {
			return nil, refuse(ErrInvalid, "Layers are not in the same region as the function. Layers are expected to be in region %s.", r.region)
		}
		ref, err := r.layers.resolve(ctx, a)
		if err != nil {
			return nil, err
		}
		if j := slices.IndexFunc(arns[:i], func(b string) bool { return unversioned(a) == unversioned(b) }); j >= 0 {
			return nil, refuse(ErrInvalid, "Two different versions of the same layer are not allowed to be referenced in the same function. %s and %s are versions of the same layer.", arns[j], a)
		}
		refs = append(refs, ref)
	}
	return refs, nil
}

// checkLayers wants the archives of the layers of a version that is about to be
// written: since they were resolved, a deletion may have had its way.
func (r *Registry) checkLayers(tx store.Tx, s Settings) error {
	for _, l := range s.Layers {
		switch used, err := r.inUse(tx, l.SHA256); {
		case err != nil:
			return err
		case !used:
			return errNoSuchLayer(l.ARN)
		}
	}
	return nil
}

func errNoSuchLayer(arn string) error {
	return refuse(ErrInvalid, "Layer version %s does not exist.", arn)
}

func unversioned(layer string) string { return layer[:max(0, strings.LastIndexByte(layer, ':'))] }

// checkUnzipped holds code and layers together to the limit.
func checkUnzipped(s Settings) error {
	total := s.Code.Unzipped
	for _, l := range s.Layers {
		total += l.Unzipped
	}
	if len(s.Layers) > 0 && total > MaxUnzipped {
		return refuse(ErrInvalid, "Function code combined with layers exceeds the maximum allowed size of %d bytes. The actual size is %d bytes.", int64(MaxUnzipped), total)
	}
	return nil
}
