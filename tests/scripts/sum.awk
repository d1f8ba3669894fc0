# Sums the `test result:` lines of cargo test. A run that broke without naming a failed test counts as one.
/^test result: / { passed += $4; failed += $6 }
END {
  if (broken && !failed) failed = 1
  printf "%d passed, %d failed\n", passed, failed
  exit failed > 0
}
