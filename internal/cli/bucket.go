package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
)

// deployBucket is where archives go that are too large to be sent along.
const deployBucket = "mayfly-deploy-" + account

// source is the code as the API is told of it: the archive itself or, when that is
// too large, where it lies. What is laid down is taken away by clear, once the
// server has its own copy.
func (d *deployment) source(ctx context.Context) (code map[string]any, clear func() error, err error) {
	if len(d.code.zip) <= maxZip {
		return map[string]any{"ZipFile": d.code.zip}, func() error { return nil }, nil
	}
	if err := d.api.bucket(ctx, deployBucket); err != nil {
		return nil, nil, err
	}
	sum := sha256.Sum256(d.code.zip)
	key := d.want.Name + "/" + hex.EncodeToString(sum[:]) + ".zip"
	path := "/" + deployBucket + "/" + key
	q := request{service: "s3", method: "PUT", path: path, body: d.code.zip, header: map[string]string{"Content-Type": "application/zip"}}
	if err := d.send(ctx, q); err != nil {
		return nil, nil, err
	}
	clear = func() error { return d.api.read(ctx, request{service: "s3", method: "DELETE", path: path}, nil) }
	return map[string]any{"S3Bucket": deployBucket, "S3Key": key}, clear, nil
}

// bucket makes a bucket, unless it is there.
func (c *client) bucket(ctx context.Context, name string) error {
	q := request{service: "s3", method: "PUT", path: "/" + name}
	if c.endpoint.Region != "us-east-1" { // which is what no constraint means
		q.body = []byte(`<CreateBucketConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><LocationConstraint>` + c.endpoint.Region +
			`</LocationConstraint></CreateBucketConfiguration>`)
	}
	err := c.read(ctx, q, nil)
	if is(err, "BucketAlreadyOwnedByYou") {
		return nil
	}
	return err
}
