/** Only named, never called: the bench gives its peers TCP alone. */
function absent() {
  throw new Error('the bench has no WebRTC');
}

export const RTCPeerConnection = undefined;
export const RTCSessionDescription = undefined;
export const RTCIceCandidate = undefined;
export const webRTC = absent;
export const webRTCDirect = absent;
export default {};
