# Everything a lab command may use, in the order in which it stands on one another.
lab_lib=$(dirname "${BASH_SOURCE[0]}")
source "$lab_lib/common.sh"
lab_settings
for part in network freezer place ceph pki node fault; do
  # shellcheck source=/dev/null
  source "$lab_lib/$part.sh"
done
