/*
 * Preloaded into LocalStack and DynamoDB Local: a bind() to all addresses becomes a bind() to the loopback address.
 * LocalStack does not honour the address of GATEWAY_LISTEN in host mode, and DynamoDB Local has no option for it.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>

typedef int (*bind_fn)(int, const struct sockaddr *, socklen_t);

int bind(int fd, const struct sockaddr *address, socklen_t length) {
  bind_fn next = (bind_fn)dlsym(RTLD_NEXT, "bind");

  if (address != NULL && address->sa_family == AF_INET && length >= sizeof(struct sockaddr_in)) {
    struct sockaddr_in v4;
    memcpy(&v4, address, sizeof v4);
    if (v4.sin_addr.s_addr == htonl(INADDR_ANY)) v4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    return next(fd, (const struct sockaddr *)&v4, sizeof v4);
  }
  if (address != NULL && address->sa_family == AF_INET6 && length >= sizeof(struct sockaddr_in6)) {
    struct sockaddr_in6 v6;
    memcpy(&v6, address, sizeof v6);
    /* 127.0.0.1 as an IPv6 address, which a socket for both families (as Java opens) takes. */
    if (IN6_IS_ADDR_UNSPECIFIED(&v6.sin6_addr)) {
      memset(&v6.sin6_addr, 0, sizeof v6.sin6_addr);
      v6.sin6_addr.s6_addr[10] = v6.sin6_addr.s6_addr[11] = 0xff;
      v6.sin6_addr.s6_addr[12] = 127;
      v6.sin6_addr.s6_addr[15] = 1;
    }
    return next(fd, (const struct sockaddr *)&v6, sizeof v6);
  }
  return next(fd, address, length);
}
