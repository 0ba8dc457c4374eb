#!/usr/bin/env bash
# Installs what the tests need, once; what is there already is left alone.
#
#   Debian packages (as root, with apt-get): awscli (version 2), python3 with
#     venv, nodejs, npm, ruby, rclone, postgresql (the store's second engine), e2fsprogs,
#     iproute2, curl, ca-certificates, git, chromium-headless-shell
#   .cache/venv   the AWS CLI version 1, boto3 and botocore (PyPI), versions below
#   .cache/node   a current Node.js and the AWS SDK for JavaScript v3 (npm)
#   .cache/kafka  a broker of Kafka (Maven), where java and mvn are there
#   .cache/bin    the aws command, for PATH
#
# On other systems install these by hand; tests that miss a tool say so.
set -euo pipefail
cd "$(dirname "$0")/.."
root=$PWD
cache=$root/.cache
mkdir -p "$cache/bin"

awscli=1.46.3 boto3=1.44.5 websockets=15.0.1
node=22

have() { command -v "$1" >/dev/null 2>&1; }

packages=()
have python3 && python3 -c 'import venv, ensurepip' 2>/dev/null || packages+=(python3 python3-venv)
have node || packages+=(nodejs)
have npm || packages+=(npm)
have initdb || ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || packages+=(postgresql)
have mkfs.ext4 || [ -x /sbin/mkfs.ext4 ] || packages+=(e2fsprogs)
have ip || [ -x /sbin/ip ] || packages+=(iproute2)
/usr/bin/aws --version 2>/dev/null | grep -q '^aws-cli/2' || packages+=(awscli)
have curl || packages+=(curl)
have git || packages+=(git)
have ruby || packages+=(ruby)
have rclone || packages+=(rclone)
have chromium-headless-shell || have chromium || have google-chrome || packages+=(chromium-headless-shell fonts-dejavu-core)
[ -e /etc/ssl/certs/ca-certificates.crt ] || packages+=(ca-certificates)
if [ ${#packages[@]} -gt 0 ]; then
	if have apt-get && [ "$(id -u)" = 0 ]; then
		echo "installing: ${packages[*]}"
		apt-get update -qq
		DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${packages[@]}" >/dev/null
	else
		echo "missing, install by hand: ${packages[*]}" >&2
	fi
fi

if [ "$(cat "$cache/venv/.version" 2>/dev/null)" != "$awscli $boto3 $websockets" ]; then
	echo "installing: AWS CLI $awscli, boto3 $boto3, websockets $websockets into .cache/venv"
	rm -rf "$cache/venv"
	python3 -m venv "$cache/venv"
	"$cache/venv/bin/pip" install -q "awscli==$awscli" "boto3==$boto3" "websockets==$websockets"
	echo "$awscli $boto3 $websockets" >"$cache/venv/.version"
fi
ln -sf "$cache/venv/bin/aws" "$cache/bin/aws"

if [ "$(cat "$cache/node/.version" 2>/dev/null)" != "$(cat e2e/package.json)" ]; then
	echo "installing: Node.js $node and the AWS SDK for JavaScript v3 into .cache/node"
	mkdir -p "$cache/node"
	cp e2e/package.json "$cache/node/"
	(cd "$cache/node" && npm install --silent --no-audit --no-fund >/dev/null)
	cp e2e/package.json "$cache/node/.version"
fi
if have java && have mvn; then
	if [ "$(cat "$cache/kafka/.version" 2>/dev/null)" != "$(cat e2e/kafka/pom.xml)" ]; then
		echo "installing: a broker of Kafka into .cache/kafka"
		rm -rf "$cache/kafka"
		mkdir -p "$cache/kafka"
		mvn -q -B -f e2e/kafka/pom.xml dependency:copy-dependencies "-DoutputDirectory=$cache/kafka/libs"
		cp e2e/kafka/pom.xml "$cache/kafka/.version"
	fi
else
	echo "without java (17) and mvn the tests against a broker of Kafka are left out"
fi
echo "test tools are ready in .cache"
