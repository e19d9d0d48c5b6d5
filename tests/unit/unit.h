/* SPDX-License-Identifier: MIT */
/* tests/unit/unit.h - what every cmocka test includes, in cmocka's order */
#ifndef PODFLARE_TESTS_UNIT_H
#define PODFLARE_TESTS_UNIT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#endif
