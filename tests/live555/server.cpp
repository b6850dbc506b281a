// An RTSP server of another make for the suites: live555. Listens on loopback only.
//
// usage: server PORT USER:PASSWORD|- PATH=FILE...
//
// Each mount plays a raw H.264 (.h264) or H.265 (.h265) file once for each client, and ends with BYE.
// With USER:PASSWORD it asks for them by digest. Says "ready".

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <string>

#include "BasicUsageEnvironment.hh"
#include "GroupsockHelper.hh"
#include "liveMedia.hh"

int main(int count, char** words) {
  if (count < 4) {
    fprintf(stderr, "usage: server PORT USER:PASSWORD|- PATH=FILE...\n");
    return 64;
  }
  // Both, or it listens on every address of the other kind.
  ReceivingInterfaceAddr = htonl(INADDR_LOOPBACK);
  ReceivingInterfaceAddr6 = in6addr_loopback;
  // A key frame of the suites' files in one piece.
  OutPacketBuffer::maxSize = 1 << 20;
  UsageEnvironment* env = BasicUsageEnvironment::createNew(*BasicTaskScheduler::createNew());

  UserAuthenticationDatabase* users = nullptr;
  std::string login = words[2];
  size_t colon = login.find(':');
  if (colon != std::string::npos) {
    users = new UserAuthenticationDatabase("live555");
    users->addUserRecord(login.substr(0, colon).c_str(), login.substr(colon + 1).c_str());
  }
  RTSPServer* server = RTSPServer::createNew(*env, Port(atoi(words[1])), users);
  if (server == nullptr) {
    fprintf(stderr, "cannot listen: %s\n", env->getResultMsg());
    return 1;
  }
  for (int at = 3; at < count; at++) {
    std::string mount = words[at];
    size_t is = mount.find('=');
    if (is == std::string::npos) {
      fprintf(stderr, "%s: PATH=FILE is wanted\n", words[at]);
      return 64;
    }
    std::string path = mount.substr(0, is), file = mount.substr(is + 1);
    ServerMediaSession* media = ServerMediaSession::createNew(*env, path.c_str());
    bool h265 = file.size() > 5 && file.compare(file.size() - 5, 5, ".h265") == 0;
    if (h265) {
      media->addSubsession(H265VideoFileServerMediaSubsession::createNew(*env, file.c_str(), False));
    } else {
      media->addSubsession(H264VideoFileServerMediaSubsession::createNew(*env, file.c_str(), False));
    }
    server->addServerMediaSession(media);
  }
  printf("ready\n");
  fflush(stdout);
  env->taskScheduler().doEventLoop();
}
