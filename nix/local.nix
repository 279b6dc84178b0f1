# SPDX-License-Identifier: MIT
# By which names this machine calls itself.
{
  names = [
    "127.0.0.1"
    "::1"
    "localhost"
  ];
}
