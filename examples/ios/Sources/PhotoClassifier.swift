import MediaPipeTasksVision
import UIKit

/// Classifies photos with a file that keras_lightnets exported; `side` is the --size of the training.
final class PhotoClassifier {
    private let classifier: ImageClassifier
    private let side: CGFloat

    init(side: Int, file: String) throws {
        guard let path = Bundle.main.path(forResource: file, ofType: "tflite") else {
            throw CocoaError(.fileNoSuchFile)
        }
        let options = ImageClassifierOptions()
        options.baseOptions.modelAssetPath = path
        options.maxResults = 3
        classifier = try ImageClassifier(options: options)
        self.side = CGFloat(side)
    }

    /// Returns the likeliest classes, the best first.
    func classify(_ photo: UIImage) throws -> [ResultCategory] {
        let result = try classifier.classify(image: MPImage(uiImage: centralSquare(photo)))
        return result.classificationResult.classifications[0].categories
    }

    /// MediaPipe would stretch the photo. The network was trained on the central square.
    private func centralSquare(_ photo: UIImage) -> UIImage {
        let format = UIGraphicsImageRendererFormat()
        format.scale = 1
        let scale = side / min(photo.size.width, photo.size.height)
        let size = CGSize(width: photo.size.width * scale, height: photo.size.height * scale)
        let origin = CGPoint(x: (side - size.width) / 2, y: (side - size.height) / 2)
        let renderer = UIGraphicsImageRenderer(size: CGSize(width: side, height: side), format: format)
        return renderer.image { context in
            context.cgContext.interpolationQuality = .high
            photo.draw(in: CGRect(origin: origin, size: size))
        }
    }
}
