#!/usr/bin/env bash
# Sets the example up: a bucket, a function in Python and one in Node.js, and who
# is told of which uploads. Running it again brings everything up to date.
#
#   up.sh [BUCKET]
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
bucket=${1:-photos}
account=$(aws sts get-caller-identity --query Account --output text)

# newest FAMILY: the newest runtime of a language that the server has.
newest() {
	mayfly runtimes --json | tr -d ' \n' | grep -oE "\"runtime\":\"$1[0-9.x]+\",\"available\":true" | cut -d'"' -f4 | tail -1
}

echo "1. a bucket: $bucket"
aws s3api head-bucket --bucket "$bucket" >/dev/null 2>&1 || aws s3 mb "s3://$bucket"

echo "2. functions"
python=$(newest python) node=$(newest nodejs)
rm -rf "$here/build"
mkdir -p "$here/build"
cp -r "$here/python" "$here/node" "$here/build"
# Wheels for the very Python that will run them: Pillow is compiled.
python3 -m pip install --quiet --disable-pip-version-check --root-user-action=ignore --no-warn-conflicts --target "$here/build/python" \
	--only-binary=:all: --python-version "${python#python}" --requirement "$here/python/requirements.txt"
(cd "$here/build/node" && npm install --no-audit --no-fund --silent)
mayfly deploy "$here/build/python" --runtime "$python"
mayfly deploy "$here/build/node" --runtime "$node"

echo "3. the bucket may invoke them"
for f in thumbnails-python thumbnails-node; do
	aws lambda remove-permission --function-name "$f" --statement-id "$bucket" >/dev/null 2>&1 || true
	aws lambda add-permission --function-name "$f" --statement-id "$bucket" --action lambda:InvokeFunction \
		--principal s3.amazonaws.com --source-arn "arn:aws:s3:::$bucket" --source-account "$account" >/dev/null
done

echo "4. it tells them of uploads"
arn() { aws lambda get-function-configuration --function-name "$1" --query FunctionArn --output text; }
rule() {
	printf '{"Id":"%s","LambdaFunctionArn":"%s","Events":["s3:ObjectCreated:*"],"Filter":{"Key":{"FilterRules":[{"Name":"prefix","Value":"uploads/%s/"}]}}}' \
		"$1" "$(arn "thumbnails-$1")" "$1"
}
aws s3api put-bucket-notification-configuration --bucket "$bucket" \
	--notification-configuration "{\"LambdaFunctionConfigurations\":[$(rule python),$(rule node)]}"
