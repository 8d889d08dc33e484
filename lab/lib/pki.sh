# The lab's certificates: one authority, one certificate for each node (its name and address, and a SPIFFE id) and one for
# the operator. They live as long as labs do, a year; keys are readable by root only.

pki_dir=$LAB_DIR/pki

pki_ca_up() {
  [ ! -e "$pki_dir/ca.crt" ] || return 0
  mkdir -p "$pki_dir"
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 365 -subj "/CN=lab CA $LAB_NAME" \
    -keyout "$pki_dir/ca.key" -out "$pki_dir/ca.crt.new" 2>/dev/null
  chmod 0600 "$pki_dir/ca.key"
  mv "$pki_dir/ca.crt.new" "$pki_dir/ca.crt"
}

# pki_issue NAME SAN [DAYS]: NAME.crt and NAME.key, for servers and clients alike.
pki_issue() {
  local base=$pki_dir/$1
  [ ! -e "$base.crt" ] || return 0
  (
    umask 077
    openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -subj "/CN=$1" \
      -keyout "$base.key" -out "$base.csr" 2>/dev/null
  )
  openssl x509 -req -in "$base.csr" -CA "$pki_dir/ca.crt" -CAkey "$pki_dir/ca.key" -days "${3:-365}" \
    -set_serial "0x$(openssl rand -hex 16)" -out "$base.crt.new" 2>/dev/null -extfile <(
      echo "subjectAltName=$2"
      echo "extendedKeyUsage=serverAuth,clientAuth"
      echo "keyUsage=digitalSignature"
      echo "basicConstraints=CA:FALSE"
    )
  rm "$base.csr"
  mv "$base.crt.new" "$base.crt"
}

pki_node() { pki_issue "$1" "DNS:$1,IP:$(node_ip "$1"),URI:spiffe://lab/agent/$1"; }
pki_operator() { pki_issue operator "DNS:operator,IP:$operator_ip,URI:spiffe://lab/operator/admin"; }
